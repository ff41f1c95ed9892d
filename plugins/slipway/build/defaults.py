"""What every DAG of the project shares: owner, retries, timeouts and the parameters of a platform run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param

from slipway.catalog.environments import environment_names
from slipway.decisions.sweep import Keep
from slipway.model.component import StageName
from slipway.model.drills import drill_name
from slipway.operators.failures import FailurePolicy, tell

OWNER = "platform-team"

DEFAULT_ARGS: dict[str, Any] = {
    "owner": OWNER,
    "depends_on_past": False,
    # Mutators adopt what an earlier try made, so that trying again is always safe.
    "retries": 2,
    "retry_delay": timedelta(seconds=20),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=5),
    # What a failure is decides whether its task is tried again, and when. The delays above go for what is not known.
    "retry_policy": FailurePolicy(),
    "on_failure_callback": tell,
    "on_retry_callback": tell,
    # Of the work on a slot. Waits are deferred and have deadlines of their own.
    "execution_timeout": timedelta(minutes=15),
}


def environment_params() -> dict[str, Param]:
    """The trigger form's choice of a platform."""
    names = environment_names()
    return {
        "environment": Param(
            "dev" if "dev" in names else names[0],
            type="string",
            # A drill that was broken off is looked after like any other platform.
            enum=[*names, *(drill_name(name) for name in names)],
            title="Environment",
            description="One of the files in `include/environments`, or with `-dr` what a drill rebuilt of it.",
        ),
        "region": Param(
            None,
            type=["null", "string"],
            pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
            title="Region",
            description="One of the environment's regions, empty for its first; any for a drill.",
        ),
    }


def deploy_params() -> dict[str, Param]:
    """The whole trigger form of a deploy."""
    stages = [stage.value for stage in StageName]
    return environment_params() | {
        "stages": Param(
            stages,
            type="array",
            items={"type": "string", "enum": stages},
            examples=stages,
            title="Stages",
            description="Stages to run, in pipeline order; the others are skipped and left as they are.",
        ),
        "plan_only": Param(
            False,
            type="boolean",
            title="Plan only",
            description="Say what would be created, changed, replaced or deleted, and change nothing.",
        ),
        "approve": Param(
            None,
            # Nullable, or the form would demand one.
            type=["null", "array"],
            items={"type": "string"},
            title="Approved replacements",
            description=(
                "`<stack>/<LogicalId>` of stateful resources that may be replaced or deleted, such as "
                "`network/Vpc`. A run that needs an approval fails with the exact value to enter here."
            ),
        ),
    }


def teardown_params() -> dict[str, Param]:
    """The whole trigger form of a teardown."""
    kept = [keep.value for keep in Keep]
    return environment_params() | {
        "keep": Param(
            [Keep.STATE.value, Keep.BACKUPS.value],
            type="array",
            items={"type": "string", "enum": kept},
            examples=kept,
            title="Keep",
            description="What stays: the state bucket with records and reports, generated secrets, backups.",
        ),
        "final_backup": Param(
            False,
            type="boolean",
            title="Final backup",
            description="Take a snapshot of every claim's disk before anything goes. Kept with backups.",
        ),
        "plan_only": Param(
            False,
            type="boolean",
            title="Plan only",
            description="Show what would go, be kept and be saved, and change nothing.",
        ),
        "unattended": Param(
            False,
            type="boolean",
            title="Unattended",
            description="Ask nobody. Refused where the environment is protected.",
        ),
        "all_regions": Param(
            True,
            type="boolean",
            title="Look in all regions",
            description="Also look for strays, by tag, in every region that the account has enabled.",
        ),
    }
