"""
# Judge every platform's size

Compares what runs with what it runs on, over the last day and week, and says what to change.

- **list_platforms** finds the deployed ones.
- **judge_size** reads utilisation from Prometheus and requests from Kubernetes, applies four thresholds (CPU 70 %,
  memory 80 %, network 80 %, pods pending for 5 minutes) per node group, packs everything into the cheapest fleet with a
  fifth to spare, compares requests with use, and forecasts which limit is reached when.

**When** - every night at 02:30 UTC.

**Changes** - nothing with `policies.scale: suggest`, the default. With `auto` the desired size of node groups, within
their min and max, with a cool-down and a daily limit, and never where Cluster Autoscaler runs.

**Undo** - set the size back in the AWS console, or deploy; the report names the size before.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.health import fleet_params
from slipway.build.scale import build_scale

with DAG(
    dag_id="platform_nightly_scale",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=fleet_params(),
    dagrun_timeout=timedelta(hours=2),
    tags=["slipway", "nightly"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_scale()
