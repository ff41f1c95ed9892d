"""What every task of a platform run does first: find its platform, its stage and its permission to act."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.catalog.environments import load_platform
from slipway.model.component import StageName
from slipway.model.errors import ConfigurationError, LeaseLostError, RefusedError
from slipway.model.platform import Platform
from slipway.model.records import Action, Change

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# Retrying cannot mend these: a person has to.
FINAL_ERRORS = (ConfigurationError, RefusedError, LeaseLostError)


def platform_of(context: Context) -> Platform:
    """Return the platform that the run is for.

    :raises ConfigurationError: unknown environment or region, or a file that does not load.
    """
    params = context["params"]
    return load_platform(params["environment"], params.get("region") or None)


def is_plan(context: Context) -> bool:
    """Whether the run only says what it would do."""
    return bool(context["params"].get("plan_only", False))


def skip_unless_selected(context: Context, stage: StageName | None) -> None:
    """Skip the task when the run leaves its stage out.

    :raises AirflowSkipException: the run's ``stages`` do not name the stage.
    """
    chosen = context["params"].get("stages")
    if stage is not None and chosen and stage.value not in chosen:
        raise AirflowSkipException(f"Stage {stage.value} was not chosen for this run: {', '.join(chosen)}")


class PlatformOperator(BaseOperator):
    """A task that changes one kind of resource of the platform.

    Subclasses implement :meth:`plan`, which only reads, and :meth:`act`. Both return the changes, which become the
    task's XCom; neither may return secrets.

    :param stage: the stage that the run must have chosen for the task to do anything; ``None`` for always.
    """

    def __init__(self, *, stage: StageName | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage

    def execute(self, context: Context) -> Any:
        """Plan, or act under the platform's lease."""
        skip_unless_selected(context, self.stage)
        try:
            platform = platform_of(context)
            if is_plan(context):
                return self.report(self.plan(context, platform))
            self.hold_lease(context, platform)
            return self.act(context, platform)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error

    @abstractmethod
    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Say what :meth:`act` would change, without a mutating call."""

    @abstractmethod
    def act(self, context: Context, platform: Platform) -> Any:
        """Make it so; may defer. Returns what :meth:`report` returned."""

    def hold_lease(self, context: Context, platform: Platform) -> None:
        """Renew the run's lease on the platform.

        :raises LeaseLostError: another run holds it.
        """
        from slipway.hooks.lease import LeaseHook

        LeaseHook(platform).hold(holder=context["dag_run"].run_id, dag_id=context["dag_run"].dag_id)

    def report(self, changes: Sequence[Change]) -> list[dict[str, Any]]:
        """Log the changes as a reader wants them, and return them for XCom.

        Unchanged resources are left out unless there is something to note about them.
        """
        kept = sum(change.action is Action.KEEP for change in changes)
        shown = [change for change in changes if change.action is not Action.KEEP or change.note]
        for change in shown:
            self.log.info("%s", change)
        self.log.info("%d changed, %d unchanged", len(changes) - kept, kept)
        return [change.model_dump(mode="json") for change in shown]
