# ruff: noqa: T201 - what a check prints is its report
"""Counts and adds up numbers in groups on the workers; the results are known beforehand."""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

NUMBERS = int(os.environ["NUMBERS"])
GROUPS = 100
# Without a free worker a job waits for ever.
START_WITHIN_SECONDS = 150


def give_up() -> None:
    """End the driver from the watchdog's thread: Spark itself would wait for ever."""
    print(
        f"job: no executor within {START_WITHIN_SECONDS} s; look at the workers on the master's page (memory and cores "
        "free?) and at the network policies spark-worker and spark-checks",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)


started = time.monotonic()
watchdog = threading.Timer(START_WITHIN_SECONDS, give_up)
watchdog.daemon = True
watchdog.start()
spark = SparkSession.builder.getOrCreate()
# The first task ends when an executor was there to run it.
spark.range(1).count()
watchdog.cancel()
print(f"connected to {spark.sparkContext.master}, application {spark.sparkContext.applicationId}", flush=True)

groups = (
    spark.range(0, NUMBERS, 1, 8)
    .groupBy((f.col("id") % GROUPS).alias("rest"))
    .agg(f.count("*").alias("count"), f.sum("id").alias("sum"))
    .collect()
)
executors = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1
spark.stop()

counted = sum(row["count"] for row in groups)
total = sum(row["sum"] for row in groups)
expected = NUMBERS * (NUMBERS - 1) // 2
if (len(groups), counted, total) != (GROUPS, NUMBERS, expected):
    print(
        f"job: expected {GROUPS} groups, {NUMBERS} numbers, sum {expected}; found {len(groups)}, {counted}, {total}",
        file=sys.stderr,
    )
    sys.exit(1)
if executors < 1:
    print("job: it ran without an executor, so nothing was proved of the cluster", file=sys.stderr)
    sys.exit(1)
seconds = round(time.monotonic() - started, 1)
result = {"check": "job", "numbers": counted, "groups": len(groups), "executors": executors, "seconds": seconds}
print(json.dumps(result))
