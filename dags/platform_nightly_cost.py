"""
# What the platforms cost

Reports, for each environment in each of its regions, what it cost, why, what is odd and what could be saved.

- **list_platforms** finds what was ever deployed: what a teardown left behind still costs money.
- **account_bill** asks Cost Explorer four questions for all platforms together.
- **report** asks two more per platform and joins the bill with the inventory, the price list, spot prices and what
  runs in the cluster: cost by service, usage type, tag, component and team; month against budget; forecast; anomalies;
  what explains each line; savings with the exact change. A part that cannot be had is named, and the rest stands.
- **fleet** sums up, and fails when a platform has no report.

**When** - every night at 02:00 UTC. Cost Explorer is asked six times for one platform and twice for each further one,
at 0.01 USD a request.

**Changes** - nothing but its own reports, Cost Explorer's answers and the price list in the artefact bucket.

**Undo** - nothing to undo; reports expire by the bucket's lifecycle rule.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.cost import build_cost
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.health import fleet_params

with DAG(
    dag_id="platform_nightly_cost",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=fleet_params(),
    dagrun_timeout=timedelta(hours=1),
    tags=["slipway", "cost"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_cost()
