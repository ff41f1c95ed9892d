#!/bin/bash
# Starts a broker, controller or both: kafka-server-start.sh server.properties [--override name=value]...
set -eu

bin=$(dirname "$(readlink -f "$0")")
export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G}
export KAFKA_LOG4J_OPTS=${KAFKA_LOG4J_OPTS:--Dlog4j2.configurationFile=$bin/../config/log4j2.yaml}
# shellcheck disable=SC2086 # several words are meant
exec "$bin/kafka-run-class.sh" ${EXTRA_ARGS:--name kafkaServer -loggc} kafka.Kafka "$@"
