"""
# Tear a platform down

Removes an environment from one of its regions, and proves that nothing of it is left.

- **survey** lists every resource of the platform, with what it costs a month. Nothing is changed.
- **approve** shows a person what goes, what is kept and what it saves, and waits for a yes. A **protected** environment
  is asked a second time (**confirm**) and wants the platform's name typed in.
- **final_backup**, when asked for, snapshots the disk of every claim.
- **load_balancers**, then the **stages** in the deploy's order reversed, then **infrastructure**: volumes while their
  driver runs, add-ons, node groups, cluster, what the cluster's controllers left behind, and the stacks last.
- **state** deletes the stack of the state bucket, unless that is kept; **strays** takes what came back or lost its
  stack: log groups, buckets, keys, secrets.
- **sweep** is the proof: it looks at all resource types, by tag, VPC and the names that controllers give, in the
  platform's region, and by tag in every other one. It finds nothing, or it fails and names each leftover, what that
  costs a month and the command that removes it.

It works from any state: half deployed, half deleted, cluster gone, a stack in `DELETE_FAILED`, protection on, run
twice. Components that do not go in time go with the cluster, and what they had in AWS goes by tag.

**When** - by hand, from this form or the API.

**Changes** - deletes what carries the platform's tag or was made by its controllers, and nothing else: other people's
resources in the VPC are named and left alone. *Keep* says what stays: by default the state bucket (records, reports,
audit trail) and backups. KMS keys and secrets wait their days before they are gone for good.

**Undo** - deploy again. Data is gone unless it was backed up: ask for the final backup.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS, teardown_params
from slipway.build.teardown import build_teardown

with DAG(
    dag_id="platform_teardown",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=DEFAULT_ARGS,
    params=teardown_params(),
    # A person may take a day to answer.
    dagrun_timeout=timedelta(hours=36),
    tags=["slipway", "teardown"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_teardown()
