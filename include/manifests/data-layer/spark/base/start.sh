#!/bin/sh
# Starts a Spark daemon with the properties of the ConfigMap and the secret from its file: start.sh CLASS ARGUMENTS...
# A properties file of its own, so that the secret is on no command line and in no environment.
set -eu

properties=/tmp/spark.properties
umask 077
cat /etc/spark/spark-defaults.conf >"$properties"
printf '\nspark.authenticate.secret %s\n' "$(cat /etc/secrets/spark-auth/secret)" >>"$properties"
class=$1
shift
# exec: the daemon is process 1 and gets the signals.
exec /opt/spark/bin/spark-class "$class" --properties-file "$properties" "$@"
