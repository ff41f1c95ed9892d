# ruff: noqa: T201 - what a check prints is its report
"""Rows through executors into the shared file system and back; then the job's own record in the history server."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.request

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

ROWS = int(os.environ["ROWS"])
FILES, HISTORY = os.environ["FILES"], os.environ["HISTORY"]
START_WITHIN_SECONDS = 150
SHOWN_WITHIN_SECONDS = 90


def fail(reason: str) -> None:
    """Say why on standard error and end, from whatever thread."""
    print(f"files: {reason}", file=sys.stderr, flush=True)
    os._exit(1)


def shown(application: str) -> bool:
    """Whether the history server shows the application as completed; it looks for new logs every ten seconds."""
    deadline = time.monotonic() + SHOWN_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            address = f"{HISTORY}/api/v1/applications/{application}"
            with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - from component.yaml
                if json.load(answer)["attempts"][0]["completed"]:
                    return True
        except (OSError, ValueError, LookupError):
            pass
        time.sleep(3)
    return False


started = time.monotonic()
watchdog = threading.Timer(
    START_WITHIN_SECONDS, fail, [f"no executor within {START_WITHIN_SECONDS} s; see check job and the master's page"]
)
watchdog.daemon = True
watchdog.start()
path = f"{FILES}/user/spark/check-files-{int(time.time())}-{os.getpid()}"
try:
    spark = SparkSession.builder.getOrCreate()
    spark.range(1).count()
    watchdog.cancel()
    spark.range(0, ROWS, 1, 4).withColumn("text", f.sha2(f.col("id").cast("string"), 256)).write.parquet(path)
    same = f.col("text") == f.sha2(f.col("id").cast("string"), 256)
    read, total = spark.read.parquet(path).where(same).agg(f.count("*"), f.sum("id")).collect()[0]
    hadoop = spark.sparkContext._jvm.org.apache.hadoop
    file = hadoop.fs.Path(path)
    file.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration()).delete(file, True)
except Exception as error:
    fail(f"{FILES} could not be written or read: {str(error)[:500]}. Look at HDFS's checks and the policy spark-worker")
application = spark.sparkContext.applicationId
spark.stop()
if (read, total) != (ROWS, ROWS * (ROWS - 1) // 2):
    fail(f"wrote {ROWS} rows, read {read} unchanged ones with sum {total}")
print(f"wrote and read {read} rows at {path}", flush=True)
if not shown(application):
    fail(f"{HISTORY} does not show {application}; look at deployment data/spark-history and at {FILES}/spark-events")
result = {"check": "files", "rows": read, "application": application, "seconds": round(time.monotonic() - started, 1)}
print(json.dumps(result))
