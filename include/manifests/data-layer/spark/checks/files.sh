#!/bin/sh
# A job writes rows into HDFS and reads them back, and the history server shows it. See files.py.
set -eu

address=$(hostname -i | cut -d ' ' -f 1)
# Owner of the directory of event logs.
export SPARK_LOCAL_IP="$address" HADOOP_USER_NAME=spark
cd /tmp
# In a file, because a command line can be read by others.
umask 077
printf 'spark.authenticate.secret %s\n' "$SPARK_SECRET" >/tmp/job.properties
exec "${SPARK_HOME:-/opt/spark}/bin/spark-submit" \
  --properties-file /tmp/job.properties \
  --master "$MASTER" \
  --name "check-files-$(date +%s)-$$" \
  --conf spark.driver.host="$address" \
  --conf spark.driver.port=7078 \
  --conf spark.blockManager.port=7079 \
  --conf spark.driver.memory=480m \
  --conf spark.executor.memory=480m \
  --conf spark.cores.max=1 \
  --conf spark.authenticate=true \
  --conf spark.network.crypto.enabled=true \
  --conf spark.network.crypto.cipher=AES/CTR/NoPadding \
  --conf spark.ui.enabled=false \
  --conf spark.log.level=WARN \
  --conf spark.eventLog.enabled=true \
  --conf spark.eventLog.dir="${EVENT_LOGS:-$FILES/spark-events}" \
  "$(dirname "$0")/files.py"
