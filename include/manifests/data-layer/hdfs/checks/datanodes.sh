#!/bin/sh
# The NameNode is out of safe mode, has the DataNodes it should have, and misses no block.
set -eu

# The files of the component's own configuration lie beside this script.
export HADOOP_CONF_DIR=/checks HADOOP_LOG_DIR=/tmp PATH="/opt/hadoop/bin:$PATH" HADOOP_USER_NAME=hadoop
deadline=$(($(date +%s) + ${WAIT_SECONDS:-120}))

fail() { echo "datanodes: $1" >&2; exit 1; }
number() { sed -n "s/^[[:space:]]*$1: *\([0-9]*\).*/\1/p" /tmp/report | head -n 1; }

while :; do
  hdfs dfsadmin -safemode get >/tmp/mode 2>/tmp/error || true
  if grep -q 'Safe mode is OFF' /tmp/mode && hdfs dfsadmin -report >/tmp/report 2>/tmp/error; then
    live=$(sed -n 's/^Live datanodes (\([0-9]*\)).*/\1/p' /tmp/report)
    live=${live:-0}
    missing=$(number 'Missing blocks')
    [ "$live" -ne "$DATANODES" ] || [ "${missing:-unknown}" != 0 ] || break
    state="$live of $DATANODES DataNodes live, $missing blocks missing"
  else
    state="$(cat /tmp/mode) $(grep -v WARN /tmp/error | tail -n 1)"
  fi
  if [ "$(date +%s)" -ge "$deadline" ]; then
    fail "$state. Look at pods app.kubernetes.io/name=hdfs; 'Incompatible clusterIDs' in a DataNode's log means that the NameNode lost its volume: docs/runbooks/restore-hdfs.md"
  fi
  echo "waiting: $state"
  sleep 3
done
capacity=$(number 'Configured Capacity')
remaining=$(number 'DFS Remaining')
echo "$live DataNodes, no block missing, $((remaining / 1048576)) MiB free of $((capacity / 1048576))"
[ "$remaining" -gt 0 ] || fail "the DataNodes have no room left: writes fail. Enlarge the claims data-hdfs-datanode-N"
echo "{\"check\":\"datanodes\",\"live\":$live,\"missing_blocks\":$missing,\"capacity_mib\":$((capacity / 1048576)),\"remaining_mib\":$((remaining / 1048576))}"
