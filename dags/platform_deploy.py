"""
# Deploy a platform

Builds an environment in one of its regions, or brings it up to date with what is in Git.

- **preflight** checks configuration, account, quotas and fit, and estimates the monthly cost. Nothing is changed yet.
- **infrastructure**: VPC, keys, roles, audit trail, EKS cluster, node groups, add-ons, access.
- **base_services**, **data_layer**, **applications**, **validation**: per component one `deploy` task, which plans,
  applies and waits until it is ready, and one task per check, which runs as a pod in the cluster.
- Each stage ends in a **gate**: rollouts first, then checks. A check that could not run is skipped and never passed.
- **roll_back** runs when a stage failed and the environment's policy says so: what this run changed in that stage goes
  back to its release before. The run has failed all the same.

**When** - by hand, from this form or the API.

**Changes** - everything in the environment's account and region that carries the tag `slipway:platform`, and nothing
else. With *plan only* it says what it would change and makes no mutating call.

**Undo** - run it again from an earlier commit; a failed run can be cleared or triggered again, and goes on where it
stopped. One lease per platform keeps two runs apart.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS, deploy_params
from slipway.build.deploy import build_deploy

with DAG(
    dag_id="platform_deploy",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=DEFAULT_ARGS,
    params=deploy_params(),
    dagrun_timeout=timedelta(hours=4),
    tags=["slipway", "deploy"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_deploy()
