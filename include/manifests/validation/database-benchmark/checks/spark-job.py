# ruff: noqa: T201 - what a check prints is its report
"""Seconds of a job with a shuffle whose result is known: with the start of Spark and its executor, and without."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

NUMBERS = int(os.environ["NUMBERS"])
GROUPS = 1000
START_WITHIN_SECONDS = 150


def give_up() -> None:
    """End the driver from the watchdog's thread: Spark itself would wait for ever."""
    print(f"spark-job: no executor within {START_WITHIN_SECONDS} s; see check spark/job", file=sys.stderr, flush=True)
    os._exit(1)


watchdog = threading.Timer(START_WITHIN_SECONDS, give_up)
watchdog.daemon = True
watchdog.start()
spark = SparkSession.builder.getOrCreate()
spark.range(1).count()
watchdog.cancel()
started = time.monotonic()
# A modulus that is no power of two, so that nothing is in order; a sort, so that all of it moves.
mixed = spark.range(0, NUMBERS, 1, 8).withColumn("mixed", (f.col("id") * 2654435761) % 1000003)
groups = mixed.repartition(8, "mixed").sortWithinPartitions("mixed").groupBy((f.col("id") % GROUPS).alias("rest"))
found = groups.agg(f.count("*").alias("count"), f.sum("id").alias("sum")).collect()
job_seconds = round(time.monotonic() - started, 2)
spark.stop()
counted, total = sum(row["count"] for row in found), sum(row["sum"] for row in found)
if (len(found), counted, total) != (GROUPS, NUMBERS, NUMBERS * (NUMBERS - 1) // 2):
    print(f"spark-job: found {len(found)} groups, {counted} numbers, sum {total}", file=sys.stderr)
    sys.exit(1)
result = {
    "check": "spark-job",
    "numbers": counted,
    "job_seconds": job_seconds,
    "total_seconds": round(time.time() - int(os.environ["STARTED_AT"]), 1),
}
print(json.dumps(result))
