#!/bin/sh
# A file of MEGABYTES goes into HDFS, lies on as many DataNodes as it should, and comes back the same.
set -eu

export HADOOP_CONF_DIR=/checks HADOOP_LOG_DIR=/tmp PATH="/opt/hadoop/bin:$PATH" HADOOP_USER_NAME=check
path="/checks/round-trip-$(date +%s)-$$"
started=$(date +%s)

fail() { echo "round-trip: $1" >&2; exit 1; }
cleanup() { hdfs dfs -rm -f -skipTrash "$path" >/dev/null 2>&1 || true; }
trap cleanup EXIT

# Not compressible, so that nothing on the way can cheat.
dd if=/dev/urandom of=/tmp/file bs=1048576 count="$MEGABYTES" 2>/dev/null
wanted=$(sha256sum </tmp/file)

hdfs dfs -put /tmp/file "$path" 2>/tmp/error \
  || fail "the file could not be written: $(grep -v WARN /tmp/error | tail -n 3). Look at the DataNodes (check datanodes) and at the network policies hdfs-datanode and hdfs-checks"
found=$(hdfs dfs -cat "$path" 2>/tmp/error | sha256sum)
[ "$found" = "$wanted" ] || fail "what was read is not what was written: $(grep -v WARN /tmp/error | tail -n 3)"
echo "wrote and read the same $MEGABYTES MiB"

# Replicas are confirmed to the NameNode a moment after the write.
deadline=$(($(date +%s) + 60))
while :; do
  hdfs fsck "$path" -files -blocks 2>/tmp/error >/tmp/fsck || true
  replicas=$(sed -n 's/.*Live_repl=\([0-9]*\).*/\1/p' /tmp/fsck | sort -n | head -n 1)
  blocks=$(grep -c 'Live_repl=' /tmp/fsck || true)
  [ "${replicas:-0}" -lt "$REPLICAS" ] || break
  [ "$(date +%s)" -lt "$deadline" ] || fail "a block has ${replicas:-no} replicas, $REPLICAS wanted: $(grep -E 'Live_repl|Under' /tmp/fsck | head -n 3)"
  sleep 3
done
echo "$blocks blocks with at least $replicas replicas"
echo "{\"check\":\"round-trip\",\"mebibytes\":$MEGABYTES,\"blocks\":$blocks,\"replicas\":$replicas,\"seconds\":$(($(date +%s) - started))}"
