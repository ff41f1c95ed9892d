"""
# Compare images with their registries

Asks every registry what the platform's image tags lead to, and compares it with the digests in
`include/manifests/images.yaml`.

- **moved**: upstream built the tag anew, usually with security fixes. News: take it with
  `python -m slipway.image_digests --write --move` and deploy.
- **unpinned**: the registry names a digest and the list has none. `--write` takes it.
- **gone**: a pinned build is not served any more, so a new node could not start it. The run fails.
- **unknown**: the registry did not answer. When none did, the task is skipped, not passed.

**When** - every Monday at 04:10 UTC, and by hand.

**Changes** - nothing.

**Undo** - nothing to undo.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.operators.images import CompareImagesOperator

with DAG(
    dag_id="platform_images",
    schedule="10 4 * * 1",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    dagrun_timeout=timedelta(hours=1),
    tags=["slipway", "images"],
    doc_md=__doc__,
):
    CompareImagesOperator(task_id="compare", execution_timeout=timedelta(minutes=20))
