#!/bin/sh
# Submits stream.py to the cluster, with this pod as the driver.
set -eu

umask 077
# In a file, because a command line can be read by others.
{
  cat /etc/stream/spark.properties
  printf '\nspark.authenticate.secret %s\n' "$(cat /etc/secrets/spark-auth/secret)"
} >/tmp/stream.properties
jars=$(find /data/libraries -name '*.jar' | sort | tr '\n' ',')
exec /opt/spark/bin/spark-submit --properties-file /tmp/stream.properties --master "$MASTER" --name stream \
  --jars "${jars%,}" --conf spark.driver.host="$POD_IP" --conf spark.executor.memory="$EXECUTOR_MEMORY" \
  --conf spark.driver.memory="$DRIVER_MEMORY" /etc/stream/stream.py
