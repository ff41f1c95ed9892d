"""
# Go back to an earlier release

Brings components, stages or the whole platform back to a release that was ready before, from the records kept in the
cluster.

- **survey** chooses a release for each component (the last one before the current that was ready, or the number asked
  for) and shows the difference, field by field, and what going back cannot undo: data stays as newer versions wrote it.
- **approve**, and for protected environments **confirm**, ask a person.
- Then in deploy order, per component: **roll_back** applies the kept manifests, prunes what they do not have and waits
  until ready; its **checks** run afterwards. Components that are not asked for are skipped.

**When** - by hand; ten releases of each component are kept.

**Changes** - the components' objects. The rollback is itself recorded as a new release. Git is not changed: the next
deploy brings back what is in Git.

**Undo** - run it again with the number of the release that was current, or deploy.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.rollback import build_rollback, rollback_params

with DAG(
    dag_id="platform_rollback",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=DEFAULT_ARGS,
    params=rollback_params(),
    dagrun_timeout=timedelta(hours=30),
    tags=["slipway", "rollback"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_rollback()
