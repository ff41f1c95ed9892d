"""The restore DAG: choose backups, ask, put the claims on disks made of them, prove."""

from __future__ import annotations

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import Param, TriggerRule, chain

from slipway.build.defaults import environment_params
from slipway.operators.approval import CONFIRMATION, ApproveOperator, ConfirmOperator
from slipway.operators.lease import ReleaseLeaseOperator
from slipway.operators.restore import DEFAULT_COMPONENTS, RestoreOperator, SurveyRestoreOperator
from slipway.operators.teardown import TakeLeaseOperator


def restore_params() -> dict[str, Param]:
    """The trigger form."""
    names = environment_params()
    return names | {
        "components": Param(
            list(DEFAULT_COMPONENTS),
            type=["null", "array"],
            items={"type": "string"},
            title="Components",
            description="Components whose claims are restored, each whole.",
        ),
        "backup": Param(
            None,
            type=["null", "string"],
            title="Backup",
            description="Id of the run that made the backup; empty for the newest that is complete.",
        ),
        "source": Param(
            None,
            type=["null", "string"],
            title="Backups of",
            description="Another environment whose backups are restored here; empty for this one's own.",
        ),
        "source_region": Param(
            None, type=["null", "string"], title="Backups in", description="Region of that environment's backups."
        ),
        "plan_only": Param(False, type="boolean", title="Plan only", description="Show what would be lost, and stop."),
        "unattended": Param(
            False, type="boolean", title="Unattended", description="Ask nobody. Refused where protected."
        ),
    }


def build_restore() -> None:
    """Add the tasks to the DAG of the surrounding context."""
    survey = SurveyRestoreOperator(task_id="survey")
    approve = ApproveOperator(task_id="approve", subject="Restore slipway-{{ params.environment }} from backups?")
    confirm = ConfirmOperator(
        task_id="confirm",
        subject="slipway-{{ params.environment }} is protected: type its name to replace its data",
        params=CONFIRMATION,
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    acquire = TakeLeaseOperator(task_id="acquire_lease", trigger_rule=TriggerRule.NONE_FAILED)
    begin = EmptyOperator(task_id="begin")
    restore = RestoreOperator(task_id="restore")
    release = ReleaseLeaseOperator(task_id="release_lease")
    chain(survey, approve, confirm, acquire, begin, restore)
    chain(restore, release.as_teardown(setups=acquire, on_failure_fail_dagrun=False))
