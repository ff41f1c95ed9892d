import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A perfect maze: between any two cells there is exactly one way. The same seed and size give the same maze, so a maze
 * is known by those three numbers.
 *
 * @param seed   what the random choices start from
 * @param width  cells from west to east
 * @param height cells from north to south
 * @param open   for each cell, row by row from the north-west, the directions one can leave it in, as bits of
 *               {@link Direction#bit}
 */
record Maze(long seed, int width, int height, int[] open) {

    static final int SMALLEST = 2;
    static final int LARGEST = 100;

    enum Direction {
        N(0, -1), E(1, 0), S(0, 1), W(-1, 0);

        final int dx;
        final int dy;
        final int bit = 1 << ordinal();

        Direction(int dx, int dy) {
            this.dx = dx;
            this.dy = dy;
        }

        Direction opposite() {
            return values()[(ordinal() + 2) % 4];
        }
    }

    /** Carves a maze by a depth-first walk that starts in the north-west corner and turns at random. */
    static Maze generate(long seed, int width, int height) {
        var random = new SplittableRandom(seed);
        var maze = new Maze(seed, width, height, new int[width * height]);
        var trail = new ArrayDeque<Integer>();
        var visited = new boolean[width * height];
        trail.push(0);
        visited[0] = true;
        while (!trail.isEmpty()) {
            int cell = trail.peek();
            var choices = Arrays.stream(Direction.values())
                .filter(direction -> maze.inside(cell, direction) && !visited[maze.neighbour(cell, direction)])
                .toList();
            if (choices.isEmpty()) {
                trail.pop();
                continue;
            }
            var direction = choices.get(random.nextInt(choices.size()));
            int next = maze.neighbour(cell, direction);
            maze.open[cell] |= direction.bit;
            maze.open[next] |= direction.opposite().bit;
            visited[next] = true;
            trail.push(next);
        }
        return maze;
    }

    /** The steps from the north-west to the south-east corner, by a breadth-first search. */
    List<Direction> solve() {
        var reachedBy = new Direction[width * height];
        var queue = new ArrayDeque<Integer>(List.of(0));
        int exit = width * height - 1;
        while (!queue.isEmpty() && reachedBy[exit] == null) {
            int cell = queue.poll();
            for (var direction : Direction.values()) {
                if ((open[cell] & direction.bit) == 0) {
                    continue;
                }
                int next = neighbour(cell, direction);
                if (next != 0 && reachedBy[next] == null) {
                    reachedBy[next] = direction;
                    queue.add(next);
                }
            }
        }
        var steps = new ArrayList<Direction>();
        for (int cell = exit; cell != 0; cell = neighbour(cell, reachedBy[cell].opposite())) {
            steps.add(reachedBy[cell]);
        }
        return steps.reversed();
    }

    private boolean inside(int cell, Direction direction) {
        int x = cell % width + direction.dx;
        int y = cell / width + direction.dy;
        return x >= 0 && x < width && y >= 0 && y < height;
    }

    private int neighbour(int cell, Direction direction) {
        return cell + direction.dx + direction.dy * width;
    }

    /** One string per row, one hexadecimal digit per cell: the sum of N=1, E=2, S=4, W=8 over its open sides. */
    List<String> rows() {
        var rows = new ArrayList<String>(height);
        for (int y = 0; y < height; y++) {
            var row = new StringBuilder(width);
            for (int x = 0; x < width; x++) {
                row.append(Character.forDigit(open[y * width + x], 16));
            }
            rows.add(row.toString());
        }
        return rows;
    }

    /** The walls as one SVG picture; a cell is ten units wide. */
    String svg() {
        var walls = new StringBuilder();
        for (int cell = 0; cell < open.length; cell++) {
            int x = cell % width * 10;
            int y = cell / width * 10;
            if ((open[cell] & Direction.N.bit) == 0) {
                walls.append("M%d %dh10".formatted(x, y));
            }
            if ((open[cell] & Direction.W.bit) == 0) {
                walls.append("M%d %dv10".formatted(x, y));
            }
        }
        walls.append("M0 %dh%dM%d 0v%d".formatted(height * 10, width * 10, width * 10, height * 10));
        return """
            <svg id="maze" viewBox="-1 -1 %d %d" role="img" aria-label="maze of %d by %d cells">\
            <path d="%s" fill="none" stroke="currentColor" stroke-linecap="square"/>\
            <rect x="%d" y="%d" width="6" height="6" class="exit"/>\
            <circle id="player" cx="5" cy="5" r="3"/></svg>"""
            .formatted(width * 10 + 2, height * 10 + 2, width, height, walls, width * 10 - 8, height * 10 - 8);
    }
}
