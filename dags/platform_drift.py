"""
# Compare platforms with Git

Finds what somebody changed by hand, and brings it back where the environment says so.

- **list_platforms** finds the deployed ones.
- **compare** looks at each: CloudFormation's own drift detection for every stack, the EKS cluster, node groups,
  add-ons and access as a deploy would judge them, and every Kubernetes object against a server-side dry run of Git.
  What was edited, deleted or added by hand is reported field by field, with who did it: Kubernetes' field managers,
  CloudTrail's users. What controllers own on purpose (replicas under an autoscaler, injected certificates) is no drift.
- **reconcile** follows `policies.drift` of the environment: `suggest` says what it would do, `auto` applies Git with
  force. Objects that were added by hand are deleted only with *delete what was added*. What CloudFormation or EKS have
  to change is left to `platform_deploy`.

**When** - every night at 02:30 UTC, and by hand.

**Changes** - its reports in the artefact bucket; with `auto`, Kubernetes objects of the platform's components.

**Undo** - set the policy to `suggest`; what was brought back is in the report with the value that it had.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG
from slipway.build.defaults import DEFAULT_ARGS
from slipway.build.drift import build_drift, drift_params

with DAG(
    dag_id="platform_drift",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    params=drift_params(),
    dagrun_timeout=timedelta(hours=1),
    tags=["slipway", "drift"],
    doc_md=__doc__,
    render_template_as_native_obj=True,
):
    build_drift()
