"""Tasks that wait: look at what is there, take one step, wait without a worker, look again.

Every wait resumes in the same place, where the task reads AWS afresh and decides anew. So it makes no difference
whether it is the first try, the return from a wait, a retry after a crash or a cleared task.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowFailException

from slipway.hooks.aws import explained
from slipway.model.errors import ErrorClass, StuckError, UnansweredError
from slipway.model.platform import Platform
from slipway.model.records import Change
from slipway.operators.base import FINAL_ERRORS, PlatformOperator, platform_of
from slipway.triggers.polling import FAILED, PollTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# A wait comes back to the worker this often, if only to renew the lease, which lasts an hour.
SLICE = timedelta(minutes=20)
# For the triggerer to notice and report.
GRACE = timedelta(minutes=2)


@dataclass(slots=True)
class Progress:
    """What a try remembers across its waits; everything else is read from AWS.

    :param changes: what was done so far.
    :param done: steps that must not be taken twice in one try, such as a failed update, each with a detail.
    :param deadlines: Unix time by which each thing waited for must be there.
    """

    changes: list[Change] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)
    deadlines: dict[str, float] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """As JSON, for the deferral."""
        changes = [change.model_dump(mode="json") for change in self.changes]
        return {"changes": changes, "done": self.done, "deadlines": self.deadlines}

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Progress:
        """Back from :meth:`dump`."""
        return cls([Change(**change) for change in dumped["changes"]], dumped["done"], dumped["deadlines"])


class ConvergingOperator(PlatformOperator):
    """A task that brings one kind of resource to what the environment says, step by step."""

    def act(self, context: Context, platform: Platform) -> Any:
        """Take the first step."""
        with explained():
            return self._finish(context, platform, Progress())

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the next step, after a wait."""
        with self.failing_for_good(), explained():
            platform = platform_of(context)
            self.hold_lease(context, platform)
            if event["status"] == FAILED:
                raise UnansweredError(f"AWS could not be asked: {event['message']}", ErrorClass(event["class"]))
            return self._finish(context, platform, Progress.load(event["memory"]))

    @abstractmethod
    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Bring about what is wanted; called again after every wait. Returns what did not need changing."""

    def wait_for(
        self, progress: Progress, what: str, trigger: PollTrigger, limit: timedelta, mend: str = ""
    ) -> NoReturn:
        """Wait without a worker, and then :meth:`resume`.

        :param what: names the wait within the task; its time runs from when it is first waited for.
        :raises StuckError: it has taken longer than ``limit``.
        """
        now = time.time()
        deadline = progress.deadlines.setdefault(what, now + limit.total_seconds())
        if now >= deadline:
            minutes = f"{limit.total_seconds() / 60:.0f} minutes"
            raise StuckError(
                what,
                f"not ready after {minutes}",
                [],
                mend or "look at it in the AWS console; once it moves on, clear this task, which finds it as it is",
            )
        trigger.memory = progress.dump()
        trigger.until = min(deadline, now + SLICE.total_seconds())
        self.log.info("Waiting for %s, at most %.0f minutes more", what, (deadline - now) / 60)
        self.defer(
            trigger=trigger,
            method_name="resume",
            timeout=timedelta(seconds=trigger.until - now) + GRACE,
        )

    @contextmanager
    def failing_for_good(self) -> Iterator[None]:
        """Spare errors that only a person can mend the retries."""
        try:
            yield
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error

    def _finish(self, context: Context, platform: Platform, progress: Progress) -> Any:
        kept = self.converge(context, platform, progress)
        return self.report([*progress.changes, *kept])
