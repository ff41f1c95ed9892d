#!/bin/bash
# Every command-line tool of Kafka, by the name it is called by.
set -eu

bin=$(dirname "$(readlink -f "$0")")
case "$(basename "$0" .sh)" in
  kafka-broker-api-versions) class=org.apache.kafka.tools.BrokerApiVersionsCommand ;;
  kafka-cluster) class=org.apache.kafka.tools.ClusterTool ;;
  kafka-configs) class=kafka.admin.ConfigCommand ;;
  kafka-console-consumer) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
  kafka-console-producer) class=org.apache.kafka.tools.ConsoleProducer ;;
  kafka-consumer-groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
  kafka-consumer-perf-test) class=org.apache.kafka.tools.ConsumerPerformance ;;
  kafka-delete-records) class=org.apache.kafka.tools.DeleteRecordsCommand ;;
  kafka-features) class=org.apache.kafka.tools.FeatureCommand ;;
  kafka-get-offsets) class=org.apache.kafka.tools.GetOffsetShell ;;
  kafka-leader-election) class=org.apache.kafka.tools.LeaderElectionCommand ;;
  kafka-log-dirs) class=org.apache.kafka.tools.LogDirsCommand ;;
  kafka-metadata-quorum) class=org.apache.kafka.tools.MetadataQuorumCommand ;;
  kafka-producer-perf-test) class=org.apache.kafka.tools.ProducerPerformance ;;
  kafka-reassign-partitions) class=org.apache.kafka.tools.reassign.ReassignPartitionsCommand ;;
  kafka-storage) class=kafka.tools.StorageTool ;;
  kafka-topics) class=org.apache.kafka.tools.TopicCommand ;;
  *)
    echo "$(basename "$0") is no tool of this image" >&2
    exit 1 ;;
esac
case "$class" in *Console* | *Perf*) export KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx512M} ;; esac
exec "$bin/kafka-run-class.sh" "$class" "$@"
