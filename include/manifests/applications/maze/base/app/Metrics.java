import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.DoubleSupplier;

/** Counters, gauges and histograms in the Prometheus text format, version 0.0.4. */
final class Metrics {

    /** Upper bounds in seconds. 0.25 is the latency objective; a bound must be there for it to be measured. */
    private static final double[] BOUNDS = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

    private record Series(String name, String labels) implements Comparable<Series> {
        @Override
        public int compareTo(Series other) {
            int byName = name.compareTo(other.name);
            return byName != 0 ? byName : labels.compareTo(other.labels);
        }

        String text(String suffix, String extra) {
            var all = labels.isEmpty() || extra.isEmpty() ? labels + extra : labels + "," + extra;
            return name + suffix + (all.isEmpty() ? "" : "{" + all + "}");
        }
    }

    private static final class Histogram {
        final LongAdder[] buckets = new LongAdder[BOUNDS.length + 1];
        final DoubleAdder sum = new DoubleAdder();

        Histogram() {
            Arrays.setAll(buckets, i -> new LongAdder());
        }

        void observe(double seconds) {
            int index = Arrays.binarySearch(BOUNDS, seconds);
            buckets[index >= 0 ? index : -index - 1].increment();
            sum.add(seconds);
        }
    }

    private final Map<Series, LongAdder> counters = new ConcurrentSkipListMap<>();
    private final Map<Series, Histogram> histograms = new ConcurrentSkipListMap<>();
    private final Map<Series, DoubleSupplier> gauges = new ConcurrentSkipListMap<>();
    private final Map<String, String> help = new ConcurrentHashMap<>();

    /** Says what a metric means; one that is described but never counted is still shown, as 0. */
    void describe(String name, String text) {
        help.put(name, text);
    }

    void counter(String name, String text) {
        describe(name, text);
        counters.computeIfAbsent(new Series(name, ""), key -> new LongAdder());
    }

    void gauge(String name, String labels, String text, DoubleSupplier value) {
        describe(name, text);
        gauges.put(new Series(name, labels), value);
    }

    void count(String name, String labels) {
        counters.computeIfAbsent(new Series(name, labels), key -> new LongAdder()).increment();
    }

    void observe(String name, String labels, double seconds) {
        histograms.computeIfAbsent(new Series(name, labels), key -> new Histogram()).observe(seconds);
    }

    String text() {
        var out = new StringBuilder();
        var headed = new TreeMap<String, Boolean>();
        counters.forEach((series, value) -> {
            head(out, headed, series.name, "counter");
            out.append(series.text("", "")).append(' ').append(value.sum()).append('\n');
        });
        gauges.forEach((series, value) -> {
            head(out, headed, series.name, "gauge");
            out.append(series.text("", "")).append(' ').append(value.getAsDouble()).append('\n');
        });
        histograms.forEach((series, histogram) -> {
            head(out, headed, series.name, "histogram");
            long cumulative = 0;
            for (int i = 0; i <= BOUNDS.length; i++) {
                cumulative += histogram.buckets[i].sum();
                var bound = i < BOUNDS.length ? String.valueOf(BOUNDS[i]) : "+Inf";
                out.append(series.text("_bucket", "le=\"" + bound + "\"")).append(' ').append(cumulative).append('\n');
            }
            out.append(series.text("_sum", "")).append(' ').append(histogram.sum.sum()).append('\n');
            out.append(series.text("_count", "")).append(' ').append(cumulative).append('\n');
        });
        return out.toString();
    }

    private void head(StringBuilder out, Map<String, Boolean> headed, String name, String type) {
        if (headed.putIfAbsent(name, true) == null) {
            out.append("# HELP ").append(name).append(' ').append(help.getOrDefault(name, name)).append('\n');
            out.append("# TYPE ").append(name).append(' ').append(type).append('\n');
        }
    }
}
