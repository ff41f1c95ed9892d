"""Events from Kafka, by Spark structured streaming, into HDFS and MongoDB.

- Reads topic ``events-raw`` from its beginning, or from where the checkpoint says.
- Whole events go to HDFS as Parquet, one folder a day, each event once: Spark's file sink logs what it committed.
- Sums per minute and kind go to MongoDB. A batch that is repeated writes the same sums over themselves.
- What is no event goes to topic ``events-dead-letter`` with the reason, at least once.

An event is a JSON object: ``{"id": text, "at": ISO time with zone, "kind": text, "user": text, "amount": number}``.
Sums are final an hour after their minute: later events are in HDFS only.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.streaming import StreamingQuery

BOOTSTRAP = os.environ["BOOTSTRAP"]
FILES = os.environ["FILES"]
TRIGGER = os.environ.get("TRIGGER", "15 seconds")
FILES_TRIGGER = os.environ.get("FILES_TRIGGER", "30 seconds")
# An hour of state; what comes later is counted no more.
LATENESS = "1 hour"
SOURCE, REJECTED = "events-raw", "events-dead-letter"
METRICS_PORT = 4040
SCHEMA = "id STRING, at TIMESTAMP, kind STRING, user STRING, amount DOUBLE"
# Events nobody can have made yet would hold the watermark in the future, and every real one would be late.
FUTURE_SECONDS = 300


def parsed(spark: SparkSession) -> DataFrame:
    """Every record of the topic, with the event in it, or the reason why there is none."""
    raw = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", BOOTSTRAP)
        .option("subscribe", SOURCE)
        .option("startingOffsets", "earliest")
        # So that a long stop is worked off in batches that fit into memory.
        .option("maxOffsetsPerTrigger", os.environ.get("MAX_RECORDS", "50000"))
        # Topics keep seven days. After a longer stop the job must go on, and say so, rather than stand still.
        .option("failOnDataLoss", "false")
        .load()
    )
    text = f.col("value").cast("string")
    event = f.from_json(text, SCHEMA, {"mode": "PERMISSIVE"})
    records = raw.select(f.col("key"), f.col("value"), event.alias("event"))
    return records.withColumn("reason", reason(records["event"]))


def reason(event: Any) -> Any:
    """Why a record is no event; null when it is one."""
    return (
        f.when(event["id"].isNull(), "no id, or no JSON")
        .when(event["kind"].isNull(), "no kind")
        .when(event["at"].isNull(), "no time")
        .when(
            event["at"] > f.current_timestamp() + f.expr(f"INTERVAL {FUTURE_SECONDS} SECONDS"), "a time in the future"
        )
    )


def to_files(events: DataFrame) -> StreamingQuery:
    """Whole events into HDFS."""
    return (
        events.withColumn("day", f.to_date("at"))
        .coalesce(1)
        .writeStream.queryName("files")
        .format("parquet")
        .partitionBy("day")
        .option("path", f"{FILES}/data/events")
        .option("checkpointLocation", f"{FILES}/user/spark/stream/files")
        .trigger(processingTime=FILES_TRIGGER)
        .start()
    )


def to_sums(spark: SparkSession, events: DataFrame) -> StreamingQuery:
    """Sums per minute and kind into MongoDB."""
    sums = (
        events.withWatermark("at", LATENESS)
        .groupBy(f.window("at", "1 minute").alias("minute"), "kind")
        .agg(
            f.count("*").alias("events"),
            f.sum("amount").alias("amount"),
            f.approx_count_distinct("user").alias("users"),
        )
    )
    collection = mongo_collection(spark)
    jvm = spark.sparkContext._jvm

    def replace(batch: DataFrame, number: int) -> None:
        """Write a batch's sums over those before them; runs in the driver, for the rows are few."""
        models = jvm.java.util.ArrayList()
        options = jvm.com.mongodb.client.model.ReplaceOptions().upsert(True)
        for document in documents(batch, number):
            filter_ = jvm.org.bson.Document("_id", document["_id"])
            # Extended JSON: dates stay dates.
            replacement = jvm.org.bson.Document.parse(json.dumps(document))
            models.add(jvm.com.mongodb.client.model.ReplaceOneModel(filter_, replacement, options))
        if models.size():
            collection.bulkWrite(models)

    return (
        sums.writeStream.queryName("sums")
        .outputMode("update")
        .foreachBatch(replace)
        .option("checkpointLocation", f"{FILES}/user/spark/stream/sums")
        .trigger(processingTime=TRIGGER)
        .start()
    )


def documents(batch: DataFrame, number: int) -> Iterator[dict[str, Any]]:
    """Rows of a batch as MongoDB's extended JSON."""
    rows = batch.select(f.unix_millis("minute.start").alias("minute"), "kind", "events", "amount", "users").collect()
    for row in rows:
        yield {
            "_id": f"{row['minute']}/{row['kind']}",
            "minute": {"$date": {"$numberLong": str(row["minute"])}},
            "kind": row["kind"],
            "events": row["events"],
            "amount": row["amount"] or 0.0,
            "users": row["users"],
            "batch": number,
        }


def mongo_collection(spark: SparkSession) -> Any:
    """Collection of the sums, through the Java driver in Spark's own process; writes wait for a majority."""
    jvm = spark.sparkContext._jvm
    word = Path(os.environ["MONGO_PASSWORD_FILE"]).read_text().strip()
    address = os.environ["MONGO_URI"].replace("mongodb://", f"mongodb://stream:{word}@")
    client = jvm.com.mongodb.client.MongoClients.create(address)
    collection = client.getDatabase("stream").getCollection("events_per_minute")
    return collection.withWriteConcern(jvm.com.mongodb.WriteConcern.MAJORITY)


def to_dead_letters(rejected: DataFrame) -> StreamingQuery:
    """Records that are no events back into Kafka, with the reason as a header."""
    header = f.struct(f.lit("reason").alias("key"), f.col("reason").cast("binary").alias("value"))
    return (
        rejected.select("key", "value", f.array(header).alias("headers"))
        .writeStream.queryName("dead-letters")
        .format("kafka")
        .option("kafka.bootstrap.servers", BOOTSTRAP)
        .option("topic", REJECTED)
        .option("includeHeaders", "true")
        .option("checkpointLocation", f"{FILES}/user/spark/stream/dead-letters")
        .trigger(processingTime=FILES_TRIGGER)
        .start()
    )


class Metrics:
    """Progress of the queries, as Prometheus and the probes read it."""

    def __init__(self, queries: list[StreamingQuery]) -> None:
        self.queries = queries
        self.rows = {query.name: 0.0 for query in queries}
        self.batches = {query.name: -1 for query in queries}
        self.ended = {query.name: time.time() for query in queries}

    def look(self) -> None:
        """Take in the newest batches. Called more often than batches end, so that none is missed."""
        for query in self.queries:
            for progress in query.recentProgress:
                number = progress["batchId"]
                if number > self.batches[query.name]:
                    self.batches[query.name] = number
                    self.rows[query.name] += max(0, progress["numInputRows"])
                    self.ended[query.name] = time.time()
            # A trigger without data ends no batch; the query is alive all the same.
            if query.isActive and not query.status["isTriggerActive"]:
                self.ended[query.name] = time.time()

    def text(self) -> str:
        """Prometheus' text format."""
        lines = [
            "# TYPE stream_input_rows_total counter",
            "# TYPE stream_batch_age_seconds gauge",
            "# TYPE stream_active gauge",
        ]
        for query in self.queries:
            label = f'{{query="{query.name}"}}'
            lines += [
                f"stream_input_rows_total{label} {self.rows[query.name]}",
                f"stream_batch_age_seconds{label} {time.time() - self.ended[query.name]:.0f}",
                f"stream_active{label} {int(query.isActive)}",
            ]
        return "\n".join(lines) + "\n"

    def serve(self) -> None:
        """Answer /metrics, and /healthz with 503 when a query ended."""
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                healthy = all(query.isActive for query in metrics.queries)
                body = (
                    metrics.text() if self.path == "/metrics" else f"{'ok' if healthy else 'a query ended'}\n"
                ).encode()
                self.send_response(200 if healthy or self.path == "/metrics" else 503)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Nobody reads a line per probe."""

        server = ThreadingHTTPServer(("", METRICS_PORT), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()


def main() -> int:
    """Start the queries and watch them until one ends; the pod then starts anew from the checkpoints."""
    spark = SparkSession.builder.appName("stream").getOrCreate()
    records = parsed(spark)
    events = records.where("reason IS NULL").select("event.*")
    queries = [to_files(events), to_sums(spark, events), to_dead_letters(records.where("reason IS NOT NULL"))]
    metrics = Metrics(queries)
    metrics.serve()
    while all(query.isActive for query in queries):
        metrics.look()
        time.sleep(2)
    for query in queries:
        if not query.isActive:
            sys.stderr.write(f"query {query.name} ended: {query.exception()}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
