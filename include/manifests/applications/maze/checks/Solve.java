import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Asks for MAZES mazes and checks each without the application's own code: every cell can be reached, the walls of
 * neighbours agree, there is no loop, the solution keeps to the open sides and ends in the far corner, and the saved row
 * says the same.
 */
final class Solve {

    private static final Map<Character, int[]> STEPS = Map.of(
        'N', new int[] {0, -1, 1, 4}, 'E', new int[] {1, 0, 2, 8}, 'S', new int[] {0, 1, 4, 1}, 'W', new int[] {-1, 0, 8, 2});
    private static final HttpClient CLIENT = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
    private static final String URL = System.getenv("URL");

    public static void main(String[] arguments) throws Exception {
        long started = System.nanoTime();
        int mazes = Integer.parseInt(System.getenv("MAZES"));
        // Seeds of this run only, so that every row is written now.
        long firstSeed = System.currentTimeMillis() / 1000 % 1_000_000_000;
        long cells = 0;
        long steps = 0;
        for (int i = 0; i < mazes; i++) {
            int width = 5 + i * 7 % 40;
            int height = 5 + i * 11 % 40;
            var query = "?seed=%d&width=%d&height=%d".formatted(firstSeed + i, width, height);
            var maze = get("/api/maze" + query);
            var rows = rows(maze, width, height);
            requirePerfect(rows, query);
            var solution = get("/api/solve" + query);
            var path = text(solution, "steps");
            walk(rows, path, query);
            require(number(solution, "length") == path.length(), query + ": length is not that of the steps");
            readBack(number(maze, "id"), firstSeed + i, width, height, path.length(), query);
            cells += (long) width * height;
            steps += path.length();
        }
        System.out.println(mazes + " mazes are perfect, their solutions lead to the exit, their rows were read back");
        System.out.printf("{\"check\":\"solve\",\"mazes\":%d,\"cells\":%d,\"steps\":%d,\"rows_read_back\":%d,\"seconds\":%.2f}%n",
            mazes, cells, steps, mazes, (System.nanoTime() - started) / 1e9);
    }

    private static int[][] rows(String json, int width, int height) {
        var array = Pattern.compile("\"rows\":\\[([^]]*)]").matcher(json);
        require(array.find(), "no rows in " + json);
        var found = array.group(1).replace("\"", "").split(",");
        require(found.length == height, "expected " + height + " rows, found " + found.length);
        var rows = new int[height][width];
        for (int y = 0; y < height; y++) {
            require(found[y].length() == width, "row " + y + " has " + found[y].length() + " cells, expected " + width);
            for (int x = 0; x < width; x++) {
                rows[y][x] = Character.digit(found[y].charAt(x), 16);
            }
        }
        return rows;
    }

    /** A connected graph of n cells with n - 1 passages has no loop. */
    private static void requirePerfect(int[][] rows, String maze) {
        int height = rows.length;
        int width = rows[0].length;
        var reached = new boolean[height][width];
        var queue = new ArrayDeque<int[]>(List.of(new int[] {0, 0}));
        reached[0][0] = true;
        int cells = 1;
        int openSides = 0;
        while (!queue.isEmpty()) {
            var cell = queue.poll();
            for (var step : STEPS.values()) {
                if ((rows[cell[1]][cell[0]] & step[2]) == 0) {
                    continue;
                }
                openSides++;
                int x = cell[0] + step[0];
                int y = cell[1] + step[1];
                require(x >= 0 && x < width && y >= 0 && y < height, maze + ": an opening leads outside");
                require((rows[y][x] & step[3]) != 0, maze + ": a wall is open on one side only");
                if (!reached[y][x]) {
                    reached[y][x] = true;
                    cells++;
                    queue.add(new int[] {x, y});
                }
            }
        }
        require(cells == width * height, maze + ": only " + cells + " of " + width * height + " cells can be reached");
        require(openSides == 2 * (cells - 1), maze + ": it has a loop");
    }

    private static void walk(int[][] rows, String path, String maze) {
        int x = 0;
        int y = 0;
        for (char name : path.toCharArray()) {
            var step = STEPS.get(name);
            require(step != null && (rows[y][x] & step[2]) != 0, maze + ": the solution walks through a wall");
            x += step[0];
            y += step[1];
        }
        require(x == rows[0].length - 1 && y == rows.length - 1, maze + ": the solution does not end in the far corner");
    }

    private static void readBack(long id, long seed, int width, int height, int length, String maze) throws Exception {
        var row = get("/api/mazes?id=" + id);
        var expected = List.of(id, seed, (long) width, (long) height, (long) length);
        var found = new ArrayList<Long>();
        for (var name : List.of("id", "seed", "width", "height", "length")) {
            found.add(number(row, name));
        }
        require(expected.equals(found), maze + ": the saved row is " + row);
        require(number(row, "requested") >= 2, maze + ": asked for twice, the row counts " + number(row, "requested"));
    }

    private static String get(String path) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(URL + path)).timeout(Duration.ofSeconds(20)).build();
        try {
            var response = CLIENT.send(request, HttpResponse.BodyHandlers.ofString());
            require(response.statusCode() == 200, path + " answers " + response.statusCode() + ": " + response.body());
            return response.body();
        } catch (java.io.IOException e) {
            return fail(URL + path + " does not answer (" + e + "); look at deployment/maze");
        }
    }

    private static long number(String json, String name) {
        var found = Pattern.compile("\"" + name + "\":(\\d+)").matcher(json);
        require(found.find(), "no " + name + " in " + json);
        return Long.parseLong(found.group(1));
    }

    private static String text(String json, String name) {
        var found = Pattern.compile("\"" + name + "\":\"(\\w*)\"").matcher(json);
        require(found.find(), "no " + name + " in " + json);
        return found.group(1);
    }

    private static void require(boolean condition, String otherwise) {
        if (!condition) {
            fail(otherwise);
        }
    }

    private static String fail(String message) {
        System.err.println("solve: " + message);
        System.exit(1);
        return "";
    }
}
