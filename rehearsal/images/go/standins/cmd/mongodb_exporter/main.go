// A stand-in for percona/mongodb_exporter: the series of its names that the platform's rules and dashboards ask for.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const scrapeTimeout = 10 * time.Second

var (
	up         = prometheus.NewDesc("mongodb_up", "Whether MongoDB answers", nil, nil)
	state      = prometheus.NewDesc("mongodb_rs_myState", "State of this member", []string{"set"}, nil)
	optimeDate = prometheus.NewDesc("mongodb_rs_members_optimeDate", "Last operation, ms", []string{"set", "member_idx", "member_state"}, nil)
	health     = prometheus.NewDesc("mongodb_rs_members_health", "1 if the member is up", []string{"set", "member_idx", "member_state"}, nil)
	dataSize   = prometheus.NewDesc("mongodb_dbstats_dataSize", "Size of the data", []string{"database"}, nil)
)

type exporter struct{ client *mongo.Client }

func (e exporter) Describe(out chan<- *prometheus.Desc) { out <- up }

func (e exporter) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	var status struct {
		Set     string `bson:"set"`
		MyState int    `bson:"myState"`
		Members []struct {
			Name       string    `bson:"name"`
			StateStr   string    `bson:"stateStr"`
			Health     float64   `bson:"health"`
			OptimeDate time.Time `bson:"optimeDate"`
		} `bson:"members"`
	}
	err := e.client.Database("admin").RunCommand(ctx, bson.D{{Key: "replSetGetStatus", Value: 1}}).Decode(&status)
	if err != nil {
		log.Printf("replSetGetStatus: %v", err)
		gauge(up, 0)
		return
	}
	gauge(up, 1)
	gauge(state, float64(status.MyState), status.Set)
	for _, member := range status.Members {
		gauge(health, member.Health, status.Set, member.Name, member.StateStr)
		gauge(optimeDate, float64(member.OptimeDate.UnixMilli()), status.Set, member.Name, member.StateStr)
	}
	names, err := e.client.ListDatabaseNames(ctx, bson.D{})
	if err != nil {
		log.Printf("listDatabases: %v", err)
		return
	}
	for _, name := range names {
		var stats struct {
			DataSize float64 `bson:"dataSize"`
		}
		if err := e.client.Database(name).RunCommand(ctx, bson.D{{Key: "dbStats", Value: 1}}).Decode(&stats); err == nil {
			gauge(dataSize, stats.DataSize, name)
		}
	}
}

func main() {
	direct := flag.Bool("mongodb.direct-connect", true, "connect to this member alone")
	for _, name := range []string{"collector.diagnosticdata", "collector.replicasetstatus", "collector.dbstats"} {
		flag.Bool(name, true, "accepted for the sake of upstream's flags")
	}
	address := flag.String("web.listen-address", ":9216", "where to serve")
	flag.Parse()
	settings := options.Client().ApplyURI(os.Getenv("MONGODB_URI")).SetDirect(*direct).SetServerSelectionTimeout(5 * time.Second)
	if user := os.Getenv("MONGODB_USER"); user != "" {
		settings.SetAuth(options.Credential{Username: user, Password: os.Getenv("MONGODB_PASSWORD"), AuthSource: "admin"})
	}
	client, err := mongo.Connect(settings)
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(exporter{client})
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	http.HandleFunc("/", func(response http.ResponseWriter, _ *http.Request) {
		_, _ = response.Write([]byte("metrics: /metrics"))
	})
	log.Fatal(http.ListenAndServe(*address, nil))
}
