#!/bin/sh
# The newest checkpoint of the metadata can be fetched and read, and is not older than MAX_AGE_SECONDS: what the nightly
# backup would keep now.
set -eu

export HADOOP_CONF_DIR=/checks HADOOP_LOG_DIR=/tmp PATH="/opt/hadoop/bin:$PATH" HADOOP_USER_NAME=hadoop
web=http://hdfs-namenode.data.svc.cluster.local:9870
deadline=$(($(date +%s) + ${WAIT_SECONDS:-150}))

fail() { echo "metadata-backup: $1" >&2; exit 1; }
fact() {
  curl --silent --show-error --fail --max-time 20 "$web/jmx?qry=Hadoop:service=NameNode,name=$1" 2>/tmp/error |
    sed -n "s/.*\"$2\" *: *\([0-9]*\).*/\1/p" | head -n 1
}

# A new file system has its first checkpoint a minute after the secondary NameNode started.
while :; do
  last=$(fact FSNamesystem LastCheckpointTime)
  age=$(($(date +%s) - ${last:-0} / 1000))
  [ "$age" -gt "$MAX_AGE_SECONDS" ] || break
  [ "$(date +%s)" -lt "$deadline" ] || fail "the last checkpoint is $age s old, at most $MAX_AGE_SECONDS allowed: $(cat /tmp/error) look at the log of data/hdfs-secondary-0"
  sleep 5
done

mkdir -p /tmp/image
hdfs dfsadmin -fetchImage /tmp/image >/dev/null 2>/tmp/error || fail "no image from the NameNode: $(grep -v WARN /tmp/error | tail -n 3)"
image=$(find /tmp/image -name 'fsimage_*' ! -name '*.md5' | head -n 1)
hdfs oiv -p XML -i "$image" -o /tmp/image.xml >/dev/null 2>/tmp/error || fail "$image cannot be read: $(tail -n 3 /tmp/error)"
inodes=$(grep -o '<numInodes>[0-9]*' /tmp/image.xml | sed 's/.*>//')
[ "${inodes:-0}" -ge 1 ] || fail "$image holds no inodes"
echo "${image##*/}, made $age s ago, holds $inodes inodes"
echo "{\"check\":\"metadata-backup\",\"image\":\"${image##*/}\",\"inodes\":$inodes,\"age_seconds\":$age}"
