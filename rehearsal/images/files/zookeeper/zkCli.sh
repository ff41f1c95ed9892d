#!/bin/bash
# The command-line client: zkCli.sh -server HOST:PORT COMMAND... Environment: ZOOCFGDIR, CLIENT_JVMFLAGS, JVMFLAGS.
set -eu

# shellcheck disable=SC2086 # several words are meant
exec java -Xmx256m ${JVMFLAGS:-} ${CLIENT_JVMFLAGS:-} -cp "${ZOOCFGDIR:-/conf}:/conf:/opt/zookeeper/lib/*" \
  org.apache.zookeeper.ZooKeeperMain "$@"
