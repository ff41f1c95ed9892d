#!/bin/sh
# The events that check events sent are in HDFS, each once. See files.py. Spark reads the files in this pod itself.
set -eu

export SPARK_LOCAL_IP=127.0.0.1 HADOOP_USER_NAME=spark
cd /tmp
exec "${SPARK_HOME:-/opt/spark}/bin/spark-submit" --master 'local[1]' --name check-stream-files \
  --conf spark.driver.memory=512m --conf spark.ui.enabled=false --conf spark.log.level=ERROR \
  --conf spark.sql.shuffle.partitions=1 --conf spark.sql.session.timeZone=UTC "$(dirname "$0")/files.py"
