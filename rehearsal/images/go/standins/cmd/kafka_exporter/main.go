// A stand-in for danielqsj/kafka-exporter: the series of its name that the platform's rules, dashboards and checks ask
// for, read by Kafka's admin protocol at each scrape. Flags it does not know are those it has no use for.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const scrapeTimeout = 10 * time.Second

type family struct {
	*prometheus.Desc
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc(name, help, labels, nil)}
}

func (f family) with(value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(f.Desc, prometheus.GaugeValue, value, labels...)
}

var (
	brokers         = gauge("kafka_brokers", "Brokers in the cluster")
	partitions      = gauge("kafka_topic_partitions", "Partitions of the topic", "topic")
	currentOffset   = gauge("kafka_topic_partition_current_offset", "Newest offset", "partition", "topic")
	oldestOffset    = gauge("kafka_topic_partition_oldest_offset", "Oldest offset", "partition", "topic")
	inSync          = gauge("kafka_topic_partition_in_sync_replica", "Replicas in sync", "partition", "topic")
	leader          = gauge("kafka_topic_partition_leader", "Broker that leads", "partition", "topic")
	replicas        = gauge("kafka_topic_partition_replicas", "Replicas", "partition", "topic")
	underReplicated = gauge("kafka_topic_partition_under_replicated_partition", "1 if replicas are out of sync", "partition", "topic")
	groupMembers    = gauge("kafka_consumergroup_members", "Members of the group", "consumergroup")
	groupOffset     = gauge("kafka_consumergroup_current_offset", "Offset the group committed", "consumergroup", "partition", "topic")
	groupLag        = gauge("kafka_consumergroup_lag", "Records the group is behind", "consumergroup", "partition", "topic")
)

type exporter struct {
	admin              *kadm.Client
	noTopics, noGroups *regexp.Regexp
}

func (e exporter) Describe(out chan<- *prometheus.Desc) {
	out <- brokers.Desc
}

// Collect reads everything anew: an exporter that cannot reach Kafka shows nothing rather than what was.
func (e exporter) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	metadata, err := e.admin.Metadata(ctx)
	if err != nil {
		log.Printf("metadata: %v", err)
		return
	}
	out <- brokers.with(float64(len(metadata.Brokers)))
	metadata.Topics.FilterInternal()
	names := []string{}
	for name, topic := range metadata.Topics {
		if e.noTopics.MatchString(name) {
			continue
		}
		names = append(names, name)
		out <- partitions.with(float64(len(topic.Partitions)), name)
		for number, partition := range topic.Partitions {
			id := strconv.Itoa(int(number))
			out <- leader.with(float64(partition.Leader), id, name)
			out <- replicas.with(float64(len(partition.Replicas)), id, name)
			out <- inSync.with(float64(len(partition.ISR)), id, name)
			behind := 0.0
			if len(partition.ISR) < len(partition.Replicas) {
				behind = 1
			}
			out <- underReplicated.with(behind, id, name)
		}
	}
	if len(names) == 0 {
		return
	}
	e.offsets(ctx, out, names)
	e.groups(ctx, out)
}

func (e exporter) offsets(ctx context.Context, out chan<- prometheus.Metric, names []string) {
	for desc, list := range map[family]func(context.Context, ...string) (kadm.ListedOffsets, error){
		currentOffset: e.admin.ListEndOffsets, oldestOffset: e.admin.ListStartOffsets,
	} {
		listed, err := list(ctx, names...)
		if err != nil {
			log.Printf("offsets: %v", err)
			continue
		}
		listed.Each(func(offset kadm.ListedOffset) {
			if offset.Err == nil {
				out <- desc.with(float64(offset.Offset), strconv.Itoa(int(offset.Partition)), offset.Topic)
			}
		})
	}
}

func (e exporter) groups(ctx context.Context, out chan<- prometheus.Metric) {
	lags, err := e.admin.Lag(ctx)
	if err != nil {
		log.Printf("groups: %v", err)
	}
	for name, group := range lags {
		if e.noGroups.MatchString(name) || group.Error() != nil {
			continue
		}
		out <- groupMembers.with(float64(len(group.Members)), name)
		for topic, byPartition := range group.Lag {
			if e.noTopics.MatchString(topic) {
				continue
			}
			for number, lag := range byPartition {
				id := strconv.Itoa(int(number))
				out <- groupOffset.with(float64(lag.Commit.At), name, id, topic)
				out <- groupLag.with(float64(lag.Lag), name, id, topic)
			}
		}
	}
}

func main() {
	server := flag.String("kafka.server", "kafka:9092", "address of a broker")
	flag.String("kafka.version", "", "accepted for the sake of upstream's flags; the protocol is negotiated")
	noTopics := flag.String("topic.exclude", "^$", "topics to leave out")
	noGroups := flag.String("group.exclude", "^$", "consumer groups to leave out")
	address := flag.String("web.listen-address", ":9308", "where to serve")
	flag.Parse()

	client, err := kgo.NewClient(kgo.SeedBrokers(*server))
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(exporter{kadm.NewClient(client), regexp.MustCompile(*noTopics), regexp.MustCompile(*noGroups)})
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	http.HandleFunc("/healthz", func(response http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithTimeout(request.Context(), 5*time.Second)
		defer cancel()
		if err := client.Ping(ctx); err != nil {
			http.Error(response, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = response.Write([]byte("ok"))
	})
	log.Printf("serving %s for %s", *address, *server)
	log.Fatal(http.ListenAndServe(*address, nil))
}
