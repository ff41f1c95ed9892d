import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** Mazes and scores in MySQL, over a few connections that are opened when needed and kept. */
final class Store implements AutoCloseable {

    private static final int VALID_WITHIN_SECONDS = 2;
    private static final int WAIT_SECONDS = 3;

    /** A maze as saved. */
    record SavedMaze(long id, long seed, int width, int height, int solutionLength, long requested) {
    }

    /** A walk through a maze that somebody finished. */
    record Score(String player, int width, int height, long milliseconds) {
    }

    @FunctionalInterface
    private interface Work<T> {
        T in(Connection connection) throws SQLException;
    }

    private final String url;
    private final String user;
    private final Path passwordFile;
    private final Metrics metrics;
    private final int size;
    private final Semaphore permits;
    private final BlockingQueue<Connection> idle;

    Store(String url, String user, Path passwordFile, int size, Metrics metrics) {
        this.url = url;
        this.user = user;
        this.passwordFile = passwordFile;
        this.metrics = metrics;
        this.size = size;
        this.permits = new Semaphore(size, true);
        this.idle = new ArrayBlockingQueue<>(size);
        metrics.describe("maze_database_seconds", "Duration of database operations, including the wait for a connection.");
        metrics.counter("maze_database_errors_total", "Database operations that failed.");
        metrics.gauge("maze_database_connections", "state=\"busy\"", "Connections of this process by state.",
            () -> size - permits.availablePermits());
        metrics.gauge("maze_database_connections", "state=\"idle\"", "Connections of this process by state.", idle::size);
    }

    /** Saves a maze, or counts one more request for it; returns its id. */
    long saveMaze(Maze maze, int solutionLength) throws SQLException {
        return with("save_maze", connection -> {
            // LAST_INSERT_ID(id) makes the id of a row that was there already come back as well.
            var sql = """
                INSERT INTO mazes (seed, width, height, solution_length) VALUES (?, ?, ?, ?)
                ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), requested = requested + 1""";
            try (PreparedStatement insert = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
                insert.setLong(1, maze.seed());
                insert.setInt(2, maze.width());
                insert.setInt(3, maze.height());
                insert.setInt(4, solutionLength);
                insert.executeUpdate();
                try (ResultSet keys = insert.getGeneratedKeys()) {
                    if (!keys.next()) {
                        throw new SQLException("the database returned no id for the maze");
                    }
                    return keys.getLong(1);
                }
            }
        });
    }

    Optional<SavedMaze> findMaze(long id) throws SQLException {
        return with("find_maze", connection -> {
            var sql = "SELECT id, seed, width, height, solution_length, requested FROM mazes WHERE id = ?";
            try (PreparedStatement select = connection.prepareStatement(sql)) {
                select.setLong(1, id);
                try (ResultSet row = select.executeQuery()) {
                    return row.next()
                        ? Optional.of(new SavedMaze(row.getLong(1), row.getLong(2), row.getInt(3), row.getInt(4),
                            row.getInt(5), row.getLong(6)))
                        : Optional.empty();
                }
            }
        });
    }

    void saveScore(long mazeId, String player, long milliseconds) throws SQLException {
        with("save_score", connection -> {
            var sql = "INSERT INTO scores (maze_id, player, milliseconds) VALUES (?, ?, ?)";
            try (PreparedStatement insert = connection.prepareStatement(sql)) {
                insert.setLong(1, mazeId);
                insert.setString(2, player);
                insert.setLong(3, milliseconds);
                return insert.executeUpdate();
            }
        });
    }

    /** The fastest walks, fewest milliseconds per step of the solution first. */
    List<Score> bestScores(int limit) throws SQLException {
        return with("best_scores", connection -> {
            var sql = """
                SELECT s.player, m.width, m.height, s.milliseconds FROM scores s JOIN mazes m ON m.id = s.maze_id
                ORDER BY s.milliseconds / m.solution_length, s.id LIMIT ?""";
            try (PreparedStatement select = connection.prepareStatement(sql)) {
                select.setInt(1, limit);
                try (ResultSet rows = select.executeQuery()) {
                    var scores = new ArrayList<Score>();
                    while (rows.next()) {
                        scores.add(new Score(rows.getString(1), rows.getInt(2), rows.getInt(3), rows.getLong(4)));
                    }
                    return scores;
                }
            }
        });
    }

    /** Throws unless the database answers. */
    void ping() throws SQLException {
        with("ping", connection -> {
            try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery("SELECT 1")) {
                return row.next();
            }
        });
    }

    private <T> T with(String operation, Work<T> work) throws SQLException {
        long started = System.nanoTime();
        Connection connection = null;
        boolean permitted = false;
        boolean sound = false;
        try {
            permitted = permits.tryAcquire(WAIT_SECONDS, TimeUnit.SECONDS);
            if (!permitted) {
                throw new SQLException("all " + size + " connections were busy for " + WAIT_SECONDS + " s");
            }
            connection = connect();
            T result = work.in(connection);
            sound = true;
            return result;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new SQLException("interrupted while waiting for a connection", e);
        } finally {
            if (!sound) {
                metrics.count("maze_database_errors_total", "");
            }
            release(connection, permitted, sound);
            metrics.observe("maze_database_seconds", "operation=\"" + operation + "\"", (System.nanoTime() - started) / 1e9);
        }
    }

    private Connection connect() throws SQLException {
        for (Connection kept = idle.poll(); kept != null; kept = idle.poll()) {
            if (kept.isValid(VALID_WITHIN_SECONDS)) {
                return kept;
            }
            closeQuietly(kept);
        }
        var login = new Properties();
        login.setProperty("user", user);
        try {
            // Read each time: a rotated password works without a restart.
            login.setProperty("password", Files.readString(passwordFile).strip());
        } catch (IOException e) {
            throw new SQLException("the password file " + passwordFile + " cannot be read", e);
        }
        return DriverManager.getConnection(url, login);
    }

    private void release(Connection connection, boolean permitted, boolean sound) {
        if (connection != null && (!sound || !idle.offer(connection))) {
            closeQuietly(connection);
        }
        if (permitted) {
            permits.release();
        }
    }

    private static void closeQuietly(Connection connection) {
        try {
            connection.close();
        } catch (SQLException ignored) {
            // It is thrown away because it is broken; that closing fails too adds nothing.
        }
    }

    @Override
    public void close() {
        for (Connection kept = idle.poll(); kept != null; kept = idle.poll()) {
            closeQuietly(kept);
        }
    }
}
