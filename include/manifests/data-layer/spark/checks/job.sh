#!/bin/sh
# Runs a job with a shuffle on the workers and compares its results with what they must be. See job.py.
set -eu

# The worker and executors dial back to this pod by its address. Java looks its user up: any name will do.
address=$(hostname -i | cut -d ' ' -f 1)
export SPARK_LOCAL_IP="$address" HADOOP_USER_NAME=check
cd /tmp
# In a file, because a command line can be read by others.
umask 077
printf 'spark.authenticate.secret %s\n' "$SPARK_SECRET" >/tmp/job.properties
exec "${SPARK_HOME:-/opt/spark}/bin/spark-submit" \
  --properties-file /tmp/job.properties \
  --master "$MASTER" \
  --name "check-job-$(date +%s)-$$" \
  --conf spark.driver.host="$address" \
  --conf spark.driver.port=7078 \
  --conf spark.blockManager.port=7079 \
  --conf spark.driver.memory=480m \
  --conf spark.executor.memory=480m \
  --conf spark.cores.max=1 \
  --conf spark.authenticate="${AUTHENTICATE:-true}" \
  --conf spark.network.crypto.enabled="${AUTHENTICATE:-true}" \
  --conf spark.network.crypto.cipher=AES/CTR/NoPadding \
  --conf spark.ui.enabled=false \
  --conf spark.log.level=WARN \
  --conf spark.sql.shuffle.partitions=8 \
  "$(dirname "$0")/job.py"
