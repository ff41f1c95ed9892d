import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import javax.management.JMException;
import javax.management.MBeanServerConnection;
import javax.management.ObjectName;
import javax.management.remote.JMXConnector;
import javax.management.remote.JMXConnectorFactory;
import javax.management.remote.JMXServiceURL;

/**
 * What only a broker knows of itself, as Prometheus reads it: read by JMX over the pod's own loopback, on every scrape.
 *
 * <p>Beside the broker and not in it, because the image has no agent and nothing is downloaded; the JDK runs this file as it
 * is. Only the beans listed here are read: a broker has thousands, most of them one per partition.
 */
public class Exporter {
    private static final String ADDRESS = "service:jmx:rmi:///jndi/rmi://127.0.0.1:9999/jmxrmi";
    private static final int PORT = 9404;

    /** Pattern of beans; attributes and the metric each becomes. Keys of the bean other than type and name become labels. */
    private static final Map<String, Map<String, String>> BEANS = new LinkedHashMap<>();

    static {
        var rate = Map.of("Count", "_total");
        var gauge = Map.of("Value", "");
        var percentiles = Map.of("50thPercentile", "{quantile=\"0.5\"}", "95thPercentile", "{quantile=\"0.95\"}", "99thPercentile", "{quantile=\"0.99\"}", "Count", "_count");
        for (var name : new String[] {"MessagesInPerSec", "BytesInPerSec", "BytesOutPerSec", "FailedProduceRequestsPerSec", "FailedFetchRequestsPerSec"}) {
            BEANS.put("kafka.server:type=BrokerTopicMetrics,name=" + name, rate);
        }
        for (var name : new String[] {"UnderReplicatedPartitions", "UnderMinIsrPartitionCount", "OfflineReplicaCount", "PartitionCount", "LeaderCount"}) {
            BEANS.put("kafka.server:type=ReplicaManager,name=" + name, gauge);
        }
        for (var name : new String[] {"IsrShrinksPerSec", "IsrExpandsPerSec"}) {
            BEANS.put("kafka.server:type=ReplicaManager,name=" + name, rate);
        }
        for (var name : new String[] {"ActiveControllerCount", "OfflinePartitionsCount"}) {
            BEANS.put("kafka.controller:type=KafkaController,name=" + name, gauge);
        }
        for (var request : new String[] {"Produce", "FetchConsumer", "FetchFollower", "Metadata"}) {
            BEANS.put("kafka.network:type=RequestMetrics,name=TotalTimeMs,request=" + request, percentiles);
        }
        BEANS.put("kafka.network:type=RequestChannel,name=RequestQueueSize", gauge);
        BEANS.put("kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent", Map.of("OneMinuteRate", ""));
        BEANS.put("kafka.log:type=LogFlushStats,name=LogFlushRateAndTimeMs", percentiles);
    }

    private JMXConnector connector;

    public static void main(String[] arguments) throws IOException {
        var exporter = new Exporter();
        var server = HttpServer.create(new InetSocketAddress(PORT), 0);
        server.setExecutor(Executors.newSingleThreadExecutor());
        server.createContext("/", exchange -> {
            var path = exchange.getRequestURI().getPath();
            var body = (path.equals("/metrics") ? exporter.metrics() : "ok\n").getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
            exchange.sendResponseHeaders(200, body.length);
            try (var out = exchange.getResponseBody()) {
                out.write(body);
            }
        });
        server.start();
        System.out.println("serving metrics of " + ADDRESS + " on port " + PORT);
    }

    /** All metrics; kafka_jmx_up 0 and nothing else when the broker does not answer. */
    private synchronized String metrics() {
        var text = new StringBuilder();
        try {
            if (connector == null) {
                connector = JMXConnectorFactory.connect(new JMXServiceURL(ADDRESS));
            }
            var server = connector.getMBeanServerConnection();
            for (var entry : BEANS.entrySet()) {
                for (var bean : server.queryNames(new ObjectName(entry.getKey()), null)) {
                    append(text, server, bean, entry.getValue());
                }
            }
            var heap = (javax.management.openmbean.CompositeData) server.getAttribute(new ObjectName("java.lang:type=Memory"), "HeapMemoryUsage");
            text.append("kafka_jvm_heap_used_bytes ").append(heap.get("used")).append("\nkafka_jvm_heap_max_bytes ").append(heap.get("max"));
            return text.append("\nkafka_jmx_up 1\n").toString();
        } catch (IOException | JMException error) {
            System.err.println("the broker does not answer by JMX: " + error);
            connector = null;
            return "kafka_jmx_up 0\n";
        }
    }

    private static void append(StringBuilder text, MBeanServerConnection server, ObjectName bean, Map<String, String> attributes)
        throws IOException, JMException {
        var name = snake(bean.getDomain() + "_" + bean.getKeyProperty("type") + "_" + bean.getKeyProperty("name"));
        var labels = new StringBuilder();
        new TreeMap<>(bean.getKeyPropertyList()).forEach((key, value) -> {
            if (!key.equals("type") && !key.equals("name")) {
                labels.append(labels.isEmpty() ? "" : ",").append(key).append("=\"").append(value).append('"');
            }
        });
        for (var attribute : new TreeMap<>(attributes).entrySet()) {
            var value = ((Number) server.getAttribute(bean, attribute.getKey())).doubleValue();
            var suffix = attribute.getValue();
            // A quantile is a label more, all else a part of the name.
            var own = suffix.startsWith("{") ? suffix.substring(1, suffix.length() - 1) : "";
            var all = labels + (labels.isEmpty() || own.isEmpty() ? "" : ",") + own;
            text.append(name).append(suffix.startsWith("{") ? "" : suffix).append(all.isEmpty() ? "" : "{" + all + "}").append(' ').append(value).append('\n');
        }
    }

    /** kafka.server_BrokerTopicMetrics_BytesInPerSec becomes kafka_server_broker_topic_metrics_bytes_in. */
    private static String snake(String name) {
        return name.replaceAll("PerSec$", "").replace('.', '_').replaceAll("([a-z0-9])([A-Z])", "$1_$2").toLowerCase();
    }
}
