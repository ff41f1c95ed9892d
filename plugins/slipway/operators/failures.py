"""The one place where a failed task is judged and told of, for every task of every DAG.

Airflow asks :class:`FailurePolicy` about each exception that ends a try, and calls :func:`tell` once it has decided.
Both come to all tasks by ``DEFAULT_ARGS``, so that no operator retries, gives up or words a failure in a way of its
own.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowFailException

from slipway.decisions.failures import delay, of_reasons
from slipway.model.errors import ErrorClass, Failure, Retry

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

_LOG = logging.getLogger("airflow.task")
# Whatever is longer is a traceback or a list that the log has anyway.
_LONGEST_WHY = 4000


class FinalFailure(AirflowFailException):
    """A failure that an operator knows to be final, with its class.

    :param reasons: what resources say of themselves; where they name a class that is final too, it is of that.
    """

    def __init__(self, message: str, error_class: ErrorClass, reasons: Sequence[str] = ()) -> None:
        found = of_reasons(reasons)
        named = found is not ErrorClass.STUCK and found.rule.retry is Retry.NEVER
        self.error_class = found if named else error_class
        super().__init__(message)


class FailurePolicy(RetryPolicy):
    """Tries again what a moment or a while mends, with jitter; fails at once what only a person can mend.

    ``AirflowFailException`` never comes here: it is final by definition.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Decide by the failure's class.

        :param max_tries: retries of the task, the first try not counted.
        """
        from slipway.hooks.failures import read

        kind = read(exception).error_class
        if kind is ErrorClass.EXPIRED:
            _forget_credentials()
        retry = kind.rule.retry
        if retry is Retry.USUAL:
            return RetryDecision.default()
        wait = delay(kind, try_number, random.random())  # noqa: S311 - jitter, no secret
        if wait is None:
            return RetryDecision.fail(f"{kind.value}: {kind.rule.meaning}")
        return RetryDecision.retry(wait, f"{kind.value}: {kind.rule.meaning}")

    def serialize(self) -> dict[str, Any]:
        """It has no parameters."""
        return {"__type": "FailurePolicy"}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> FailurePolicy:
        """Back from :meth:`serialize`."""
        return cls()


def failure_of(exception: BaseException | str | None, context: Any) -> Failure:
    """What a task's failure says, with the task it happened to.

    :param exception: text or ``None`` when the process ended without one: killed, out of memory, its machine gone.
    """
    from slipway.hooks.failures import Reading, read

    gone = "the process that ran it ended without a word: killed, out of memory, or its machine is gone"
    if isinstance(exception, BaseException):
        reading = read(exception)
    else:
        reading = Reading(ErrorClass.UNKNOWN_OUTCOME, exception or gone)
    instance = context.get("ti") or context.get("task_instance")
    task_id, dag_id = getattr(instance, "task_id", "?"), getattr(instance, "dag_id", "?")
    again = f"; airflow tasks clear --yes --task-regex '^{task_id}$' {dag_id}"
    mend = reading.mend or reading.error_class.rule.mend
    return Failure(
        doing=f"{reading.doing or 'the task'}, in {_where(context, task_id, instance)}",
        why=reading.why[:_LONGEST_WHY],
        error_class=reading.error_class,
        mend=mend + (again if "clear" in mend else ""),
    )


def tell(context: Context) -> None:
    """Log what failed, why, whether clearing is safe and what to do next, as the last words of the try."""
    failure = failure_of(context.get("exception"), context)
    _LOG.error("What failed and what to do\n%s", failure)


def _where(context: Any, task_id: str, instance: Any) -> str:
    params = context.get("params") or {}
    platform = f" of slipway-{params['environment']}" if params.get("environment") else ""
    region = f" in {params['region']}" if params.get("region") else ""
    return f"{task_id}{platform}{region}, try {getattr(instance, 'try_number', '?')}"


def _forget_credentials() -> None:
    """Have the next try in this process read the connection anew."""
    from slipway.hooks.aws import forget_clients

    forget_clients()
