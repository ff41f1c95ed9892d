#!/bin/sh
# Times a job on the workers. See spark-job.py.
set -eu

address=$(hostname -i | cut -d ' ' -f 1)
export SPARK_LOCAL_IP="$address" HADOOP_USER_NAME=check STARTED_AT="$(date +%s)"
cd /tmp
# In a file, because a command line can be read by others.
umask 077
printf 'spark.authenticate.secret %s\n' "$SPARK_SECRET" >/tmp/job.properties
exec "${SPARK_HOME:-/opt/spark}/bin/spark-submit" --properties-file /tmp/job.properties --master "$MASTER" \
  --name "check-benchmark-$STARTED_AT" --conf spark.driver.host="$address" --conf spark.driver.port=7078 \
  --conf spark.blockManager.port=7079 --conf spark.driver.memory=480m --conf spark.executor.memory=480m \
  --conf spark.cores.max=1 --conf spark.authenticate="${AUTHENTICATE:-true}" \
  --conf spark.network.crypto.enabled="${AUTHENTICATE:-true}" --conf spark.network.crypto.cipher=AES/CTR/NoPadding \
  --conf spark.ui.enabled=false --conf spark.log.level=WARN --conf spark.sql.shuffle.partitions=8 "$(dirname "$0")/spark-job.py"
