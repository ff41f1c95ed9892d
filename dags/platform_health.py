"""
# Watch every platform

Looks at each deployed environment in each of its regions, says `Healthy`, `Degraded` or `Down` with reasons, and
tells people when that changes.

- **list_platforms** finds the deployed ones; a platform that cannot be looked at does not hide the others.
- **checks** repeats a few of the components' light checks as pods inside the cluster (`policies.light_checks`, five a
  run; each about once an hour) and waits for them without a worker.
- **watch** gathers facts from AWS, Kubernetes and Prometheus in a bounded number of calls, judges them and writes a
  report to the platform's artefact bucket.
- **runbooks** gathers evidence about common incidents (events, the log's tail, recent releases), says what is the
  matter and, with `policies.runbooks: auto`, mends it at most `mend_tries` times a day; then a person is called.
- **tell** messages the environment's channels when the verdict changed: SNS, PagerDuty, Slack, e-mail. Nothing is told
  twice.

**When** - every ten minutes.

**Changes** - its own reports and memory in the artefact bucket, and the check pods, which it deletes; with
`policies.runbooks: auto` what a mend says, under the platform's lease.

**Undo** - each mend names its own undo in the runbook report. Pause the DAG, and nothing is watched.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.health import build_health, fleet_params

with DAG(
    dag_id="platform_health",
    schedule="*/10 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    # A run that is late makes way for none: two at a time would judge each other's memory.
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=fleet_params(),
    dagrun_timeout=timedelta(minutes=30),
    tags=["slipway", "watch"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_health()
