"""
# Upgrade Kubernetes

Takes a platform's cluster to the next minor version, and takes it back when that does not hold.

- **survey** judges readiness: offered versions and support dates, EKS insights, removed APIs in Git and in what was
  applied, add-on versions, version skew, disruption budgets that would block draining, subnet addresses, components
  that are not ready. All reasons that block are named at once, and nothing is changed.
- **approve**, and for protected environments **confirm**, show the plan and ask a person.
- **control_plane** goes first. **bake** then watches health; if it is worse than before and stays so,
  **control_plane_back** takes the control plane back while nothing else has moved, and **go_on** ends the run.
- **addons** follow to the versions that EKS has for the new one, then **node_groups** one after the other: draining
  respects disruption budgets and is never forced.
- **validation** proves the platform end to end; **baseline** writes down all versions, and until when the control plane
  can go back: seven days after it was upgraded.

**When** - by hand, one minor version at a time.

**Changes** - the cluster's version, its add-ons and nodes. Killed at any point, the run goes on where it was.

**Undo** - within seven days: node groups back with `aws eks update-nodegroup-version`, then the control plane with
`aws eks update-cluster-version`, to the version before (docs/upgrade.md).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.upgrade import build_upgrade, upgrade_params

with DAG(
    dag_id="platform_upgrade",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args=DEFAULT_ARGS,
    params=upgrade_params(),
    # A person's answer, the bake and the draining of many nodes.
    dagrun_timeout=timedelta(days=9),
    tags=["slipway", "upgrade"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_upgrade()
