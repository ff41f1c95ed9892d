#!/bin/bash
# Runs a class of /opt/kafka/libs: kafka-run-class.sh [-daemon|-name X|-loggc] CLASS ARGUMENTS...
# Environment as upstream's script of this name has it: KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS, KAFKA_LOG4J_OPTS,
# KAFKA_OPTS, KAFKA_JMX_OPTS, JMX_PORT, LOG_DIR, CLASSPATH.
set -eu

base=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)

while [ $# -gt 0 ]; do
  case "$1" in
    -name) shift 2 ;;
    -loggc | -daemon) shift ;;
    *) break ;;
  esac
done

options=(${KAFKA_HEAP_OPTS:--Xmx256M})
options+=(${KAFKA_JVM_PERFORMANCE_OPTS:--server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true})
if [ -n "${JMX_PORT:-}" ]; then
  options+=(${KAFKA_JMX_OPTS:--Dcom.sun.management.jmxremote=true -Dcom.sun.management.jmxremote.authenticate=false -Dcom.sun.management.jmxremote.ssl=false})
  options+=("-Dcom.sun.management.jmxremote.port=$JMX_PORT")
fi
options+=("-Dkafka.logs.dir=${LOG_DIR:-$base/logs}")
options+=(${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=$base/config/tools-log4j2.yaml})
options+=(${KAFKA_OPTS:-})
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" "${options[@]}" -cp "${CLASSPATH:+$CLASSPATH:}$base/libs/*" "$@"
