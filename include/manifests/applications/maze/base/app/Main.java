import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;

/**
 * The maze over HTTP.
 *
 * <pre>
 * GET  /?seed=&amp;width=&amp;height=            a page with a maze to walk through
 * GET  /api/maze?seed=&amp;width=&amp;height=    the maze as JSON; saved
 * GET  /api/solve?seed=&amp;width=&amp;height=   its only way from the north-west to the south-east corner; saved
 * GET  /api/mazes?id=                    the saved row
 * GET  /api/scores?limit=                the best walks
 * POST /api/scores?id=&amp;player=&amp;milliseconds=
 * GET  /healthz /readyz /metrics
 * </pre>
 */
final class Main {

    private static final Duration DRAIN = Duration.ofSeconds(setting("DRAIN_SECONDS", 5));
    private static final int STOP_WITHIN_SECONDS = 15;

    private final Metrics metrics = new Metrics();
    private final Store store;
    private final String page;
    private volatile boolean stopping;

    private record Reply(int status, String type, String body) {
        static Reply json(int status, String body) {
            return new Reply(status, "application/json", body);
        }

        static Reply text(int status, String body) {
            return new Reply(status, "text/plain; charset=utf-8", body);
        }
    }

    /** A request that is wrong; the message says what is allowed. */
    private static final class BadRequest extends RuntimeException {
        BadRequest(String message) {
            super(message);
        }
    }

    @FunctionalInterface
    private interface Handler {
        Reply answer(Map<String, String> query) throws SQLException;
    }

    private Main() throws IOException {
        store = new Store(env("DB_URL"), env("DB_USER"), Path.of(env("DB_PASSWORD_FILE")), (int) setting("DB_CONNECTIONS", 8), metrics);
        page = Files.readString(Path.of(env("PAGE_FILE")));
        metrics.describe("http_server_requests_seconds", "Duration of requests by route; probes and scrapes are left out.");
        metrics.counter("maze_generated_total", "Mazes generated.");
        metrics.counter("maze_solved_total", "Mazes solved by the server.");
        metrics.counter("maze_walked_total", "Mazes walked through by a player.");
        var memory = ManagementFactory.getMemoryMXBean();
        metrics.gauge("jvm_memory_used_bytes", "area=\"heap\"", "Memory in use by area.", () -> memory.getHeapMemoryUsage().getUsed());
        metrics.gauge("jvm_memory_used_bytes", "area=\"nonheap\"", "Memory in use by area.", () -> memory.getNonHeapMemoryUsage().getUsed());
    }

    public static void main(String[] arguments) throws IOException {
        new Main().serve(Integer.parseInt(env("PORT")));
    }

    private void serve(int port) throws IOException {
        var server = HttpServer.create(new InetSocketAddress(port), 0);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        route(server, "GET", "/", query -> page(query));
        route(server, "GET", "/api/maze", query -> maze(query));
        route(server, "GET", "/api/solve", query -> solve(query));
        route(server, "GET", "/api/mazes", query -> saved(query));
        server.createContext("/api/scores", exchange -> measured(exchange, "/api/scores",
            exchange.getRequestMethod().equals("POST") ? this::addScore : this::scores, "GET", "POST"));
        server.createContext("/healthz", exchange -> send(exchange, Reply.text(200, "ok\n")));
        server.createContext("/readyz", exchange -> send(exchange, ready()));
        server.createContext("/metrics", exchange -> send(exchange, new Reply(200, "text/plain; version=0.0.4; charset=utf-8", metrics.text())));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(server)));
        server.start();
        System.out.println("serving on port " + port);
    }

    /** Says not ready, waits until Services have noticed, then lets requests under way finish. */
    private void stop(HttpServer server) {
        stopping = true;
        try {
            Thread.sleep(DRAIN);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        server.stop(STOP_WITHIN_SECONDS);
        store.close();
        System.out.println("stopped");
    }

    private Reply ready() {
        if (stopping) {
            return Reply.text(503, "stopping\n");
        }
        try {
            store.ping();
            return Reply.text(200, "ready\n");
        } catch (SQLException e) {
            return Reply.text(503, "the database does not answer: " + e.getMessage() + "\n");
        }
    }

    private void route(HttpServer server, String method, String path, Handler handler) {
        server.createContext(path, exchange -> measured(exchange, path, handler, method));
    }

    private void measured(HttpExchange exchange, String route, Handler handler, String... methods) throws IOException {
        long started = System.nanoTime();
        // A context serves every path that begins with its own; "/" would serve them all.
        boolean known = exchange.getRequestURI().getPath().equals(route);
        var reply = known ? reply(exchange, handler, methods) : Reply.json(404, error("no such page"));
        send(exchange, reply);
        metrics.observe("http_server_requests_seconds",
            "method=\"%s\",uri=\"%s\",status=\"%d\"".formatted(
                List.of(methods).contains(exchange.getRequestMethod()) ? exchange.getRequestMethod() : "OTHER",
                known ? route : "UNKNOWN", reply.status),
            (System.nanoTime() - started) / 1e9);
    }

    private static Reply reply(HttpExchange exchange, Handler handler, String... methods) {
        if (!List.of(methods).contains(exchange.getRequestMethod())) {
            return Reply.json(405, error("this page answers " + String.join(" and ", methods)));
        }
        try {
            return handler.answer(query(exchange.getRequestURI().getRawQuery()));
        } catch (BadRequest e) {
            return Reply.json(400, error(e.getMessage()));
        } catch (SQLException e) {
            System.err.println("database: " + e.getMessage());
            return Reply.json(503, error("the database does not answer"));
        } catch (RuntimeException e) {
            e.printStackTrace();
            return Reply.json(500, error("this is our fault; the log says more"));
        }
    }

    private static void send(HttpExchange exchange, Reply reply) throws IOException {
        try (exchange) {
            exchange.getRequestBody().readAllBytes();
            var body = reply.body.getBytes(StandardCharsets.UTF_8);
            var headers = exchange.getResponseHeaders();
            headers.set("Content-Type", reply.type);
            headers.set("Cache-Control", "no-store");
            headers.set("X-Content-Type-Options", "nosniff");
            headers.set("Content-Security-Policy", "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'");
            exchange.sendResponseHeaders(reply.status, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    private Reply page(Map<String, String> query) throws SQLException {
        var maze = generate(query);
        long id = store.saveMaze(maze, maze.solve().size());
        return new Reply(200, "text/html; charset=utf-8", page
            .replace("{{svg}}", maze.svg())
            .replace("{{maze}}", mazeJson(id, maze)));
    }

    private Reply maze(Map<String, String> query) throws SQLException {
        var maze = generate(query);
        return Reply.json(200, mazeJson(store.saveMaze(maze, maze.solve().size()), maze));
    }

    private Reply solve(Map<String, String> query) throws SQLException {
        var maze = generate(query);
        var steps = maze.solve();
        long id = store.saveMaze(maze, steps.size());
        metrics.count("maze_solved_total", "");
        return Reply.json(200, "{\"id\":%d,\"seed\":%d,\"width\":%d,\"height\":%d,\"length\":%d,\"steps\":\"%s\"}".formatted(
            id, maze.seed(), maze.width(), maze.height(), steps.size(),
            steps.stream().map(Enum::name).collect(Collectors.joining())));
    }

    private Reply saved(Map<String, String> query) throws SQLException {
        return store.findMaze(number(query, "id", 1, Long.MAX_VALUE, null))
            .map(maze -> Reply.json(200, "{\"id\":%d,\"seed\":%d,\"width\":%d,\"height\":%d,\"length\":%d,\"requested\":%d}".formatted(
                maze.id(), maze.seed(), maze.width(), maze.height(), maze.solutionLength(), maze.requested())))
            .orElse(Reply.json(404, error("no maze has this id")));
    }

    private Reply scores(Map<String, String> query) throws SQLException {
        var scores = store.bestScores((int) number(query, "limit", 1, 100, 10L));
        return Reply.json(200, scores.stream()
            .map(score -> "{\"player\":\"%s\",\"width\":%d,\"height\":%d,\"milliseconds\":%d}".formatted(
                escape(score.player()), score.width(), score.height(), score.milliseconds()))
            .collect(Collectors.joining(",", "[", "]")));
    }

    private Reply addScore(Map<String, String> query) throws SQLException {
        long id = number(query, "id", 1, Long.MAX_VALUE, null);
        long milliseconds = number(query, "milliseconds", 1, Duration.ofDays(1).toMillis(), null);
        var player = query.getOrDefault("player", "").strip();
        if (player.isEmpty() || player.length() > 40) {
            throw new BadRequest("player has 1 to 40 characters");
        }
        if (store.findMaze(id).isEmpty()) {
            return Reply.json(404, error("no maze has this id"));
        }
        store.saveScore(id, player, milliseconds);
        metrics.count("maze_walked_total", "");
        return Reply.json(201, "{\"saved\":true}");
    }

    private Maze generate(Map<String, String> query) {
        long seed = number(query, "seed", 0, Integer.MAX_VALUE, (long) ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE));
        int width = (int) number(query, "width", Maze.SMALLEST, Maze.LARGEST, 20L);
        int height = (int) number(query, "height", Maze.SMALLEST, Maze.LARGEST, 20L);
        metrics.count("maze_generated_total", "");
        return Maze.generate(seed, width, height);
    }

    private static String mazeJson(long id, Maze maze) {
        return "{\"id\":%d,\"seed\":%d,\"width\":%d,\"height\":%d,\"rows\":[%s]}".formatted(
            id, maze.seed(), maze.width(), maze.height(),
            maze.rows().stream().map(row -> "\"" + row + "\"").collect(Collectors.joining(",")));
    }

    private static String error(String message) {
        return "{\"error\":\"" + escape(message) + "\"}";
    }

    /** Escapes a string for JSON; also what HTML takes for markup, as the page shows names of players. */
    private static String escape(String text) {
        return text.chars()
            .mapToObj(c -> c < 0x20 || "\"\\<>&'".indexOf(c) >= 0 ? "\\u%04x".formatted(c) : String.valueOf((char) c))
            .collect(Collectors.joining());
    }

    private static Map<String, String> query(String raw) {
        var query = new HashMap<String, String>();
        for (var pair : raw == null || raw.isEmpty() ? new String[0] : raw.split("&")) {
            int at = pair.indexOf('=');
            try {
                query.put(decode(at < 0 ? pair : pair.substring(0, at)), at < 0 ? "" : decode(pair.substring(at + 1)));
            } catch (IllegalArgumentException e) {
                throw new BadRequest("the query is not URL-encoded");
            }
        }
        return query;
    }

    private static String decode(String text) {
        return URLDecoder.decode(text, StandardCharsets.UTF_8);
    }

    private static long number(Map<String, String> query, String name, long least, long most, Long otherwise) {
        var text = query.getOrDefault(name, "");
        if (text.isEmpty() && otherwise != null) {
            return otherwise;
        }
        try {
            long value = Long.parseLong(text);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException ignored) {
            // Reported below, like a number out of range.
        }
        throw new BadRequest(name + " is a whole number from " + least + " to " + most);
    }

    private static String env(String name) {
        var value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException("environment variable " + name + " is not set");
        }
        return value;
    }

    private static long setting(String name, long otherwise) {
        var value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : Long.parseLong(value);
    }
}
