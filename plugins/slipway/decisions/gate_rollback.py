"""Which stage of a deploy failed, and what of it may go back by itself."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.decisions.rollback import Target
from slipway.model.component import Component, StageName

# States in which a task will not do anything any more.
_OVER = frozenset({"success", "skipped", "failed", "upstream_failed", "removed"})


def failed_stage(states: Mapping[str, str | None]) -> tuple[StageName | None, list[str]]:
    """The first stage in which a task failed, and those tasks: later stages never began.

    :param states: of a run's tasks, by id.
    """
    for stage in StageName:
        failed = sorted(task for task, state in states.items() if _of(stage, task) and state == "failed")
        if failed:
            return stage, failed
    return None, []


def still_moving(states: Mapping[str, str | None], stage: StageName) -> list[str]:
    """Tasks of a stage that have not ended. Nothing goes back under their hands."""
    return sorted(task for task, state in states.items() if _of(stage, task) and (state or "none") not in _OVER)


def _of(stage: StageName, task: str) -> bool:
    return task.startswith(f"{stage.group_id}.")


def left_alone(component: Component, target: Target, stateful_too: bool) -> str:
    """Why a component does not go back by itself; empty when it does."""
    if not component.spec.stateful or stateful_too:
        return ""
    return (
        f"it holds data, and going back to release {target.number} cannot undo it: {'; '.join(target.warnings)}. "
        "platform_rollback takes it back when a person says so, policies.rollback_stateful: true always"
    )
