# ruff: noqa: T201 - what a check prints is its report
"""The newest events of check ``events`` in the stream's files: as many as were sent, and none twice."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

PATH = os.environ["FILES"] + "/data/events"
STARTED = time.time()
DEADLINE = STARTED + int(os.environ.get("WAIT_SECONDS", "240"))
YOUNGER_THAN_SECONDS = int(os.environ.get("YOUNGER_THAN_SECONDS", "900"))


def newest(spark: SparkSession) -> tuple[str, int, int] | None:
    """Kind, rows and distinct events of the newest check; ``None`` while there is none."""
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    rows = (
        spark.read.parquet(PATH)
        .where(f.col("day") >= yesterday)
        .where(f.col("kind").rlike(r"^check-\d+-\d+$"))
        .groupBy("kind")
        .agg(f.count("*").alias("rows"), f.count_distinct("id").alias("events"))
        .collect()
    )
    young = [row for row in rows if int(row["kind"].split("-")[2]) > STARTED - YOUNGER_THAN_SECONDS]
    if not young:
        return None
    row = max(young, key=lambda one: int(one["kind"].split("-")[2]))
    return row["kind"], row["rows"], row["events"]


spark = SparkSession.builder.getOrCreate()
found, problem = None, "no event of check events"
while time.time() < DEADLINE:
    try:
        found = newest(spark)
        problem = "no event of check events" if found is None else f"{found[2]} of the events of {found[0]}"
    except Exception as error:
        problem = str(error).splitlines()[0][:300]
    if found and found[2] >= int(found[0].split("-")[1]):
        break
    print(f"waiting: {problem}", flush=True)
    time.sleep(5)
    found = None
spark.stop()
if found is None:
    print(
        f"files: {problem} in {PATH}; did check events pass? Look at query files in the log of data/stream-job-0, and "
        "at HDFS's checks",
        file=sys.stderr,
    )
    sys.exit(1)
kind, rows, events = found
if rows != events or events != int(kind.split("-")[1]):
    print(f"files: {rows} rows with {events} different events of {kind}: some are there twice", file=sys.stderr)
    sys.exit(1)
print(json.dumps({"check": "files", "events": events, "rows": rows, "seconds": round(time.time() - STARTED)}))
