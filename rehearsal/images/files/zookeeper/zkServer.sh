#!/bin/bash
# Runs a server: zkServer.sh start-foreground [zoo.cfg]. Environment as upstream's script of this name has it: ZOOCFGDIR,
# ZOO_LOG_DIR, ZK_SERVER_HEAP, SERVER_JVMFLAGS, JVMFLAGS.
set -eu

[ "${1:-}" = start-foreground ] || { echo "this image only knows: zkServer.sh start-foreground [zoo.cfg]" >&2; exit 1; }
folder=${ZOOCFGDIR:-/conf}
# shellcheck disable=SC2086 # several words are meant
exec java -Xmx"${ZK_SERVER_HEAP:-1000}m" ${JVMFLAGS:-} ${SERVER_JVMFLAGS:-} -Dzookeeper.log.dir="${ZOO_LOG_DIR:-/logs}" \
  -XX:+HeapDumpOnOutOfMemoryError -XX:OnOutOfMemoryError='kill -9 %p' \
  -cp "$folder:/opt/zookeeper/lib/*" org.apache.zookeeper.server.quorum.QuorumPeerMain "${2:-$folder/zoo.cfg}"
