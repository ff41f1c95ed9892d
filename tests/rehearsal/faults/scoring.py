"""How a case is run and scored: tries by Airflow's own rules, and six marks."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import AirflowFailException
from slipway.build.defaults import DEFAULT_ARGS
from slipway.model.errors import ErrorClass, Failure
from slipway.operators.failures import failure_of

# Waits between tries are this much shorter; the rehearsal cloud recovers faster than AWS as well.
COMPRESSION = 60.0
POLICY = DEFAULT_ARGS["retry_policy"]
RETRIES = int(DEFAULT_ARGS["retries"])


@dataclass
class Ended:
    """How a task ended after all its tries.

    :param failures: one per failed try.
    :param waited: seconds that Airflow would have waited between them.
    """

    value: Any = None
    ok: bool = False
    tries: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def error_class(self) -> str:
        """Class of the last failed try; empty when none failed."""
        return self.failures[-1].error_class.value if self.failures else ""

    @property
    def said(self) -> str:
        """All that was told."""
        return "\n".join(str(one) for one in self.failures)


def attempt(one_try: Callable[[], Any], *, task: str = "task", retries: int = RETRIES) -> Ended:
    """Run a task as Airflow would: try, and after a failure ask the policy that all tasks have."""
    ended = Ended()
    began = time.monotonic()
    for number in range(1, retries + 2):
        ended.tries = number
        try:
            ended.value = one_try()
            ended.ok = True
            break
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            instance = _Instance(task, number)
            ended.failures.append(failure_of(error, {"ti": instance, "params": {}}))
            delay = _delay(error, number, retries)
        if delay is None:
            break
        ended.waited += delay
        time.sleep(delay / COMPRESSION)
    ended.seconds = time.monotonic() - began
    return ended


@dataclass
class _Instance:
    task_id: str
    try_number: int
    dag_id: str = "platform_deploy"


def _delay(error: BaseException, number: int, retries: int) -> float | None:
    """Seconds until the next try, ``None`` when there is none."""
    if isinstance(error, AirflowFailException):
        return None
    decision = POLICY.evaluate(error, number, retries)
    if decision.action is RetryAction.FAIL or number > retries:
        return None
    if decision.retry_delay is not None:
        return float(decision.retry_delay.total_seconds())
    usual: timedelta = DEFAULT_ARGS["retry_delay"]
    return usual.total_seconds() * 2 ** (number - 1) * (1 + random.random())


@dataclass
class Part:
    """One thing tried within a case, and its six marks.

    :param state: what is not as desired; empty when all is.
    :param attempts: requests and tries that met the fault, and how many were allowed.
    :param seconds: wall time, and how much was allowed.
    :param error_class: class that was told, and the one that was right; empty for none.
    """

    what: str
    state: str
    orphans: list[str]
    duplicates: list[str]
    attempts: tuple[int, int]
    seconds: tuple[float, float]
    error_class: tuple[str, str]
    told: str = ""

    @property
    def faults(self) -> list[str]:
        """What costs it its marks; none for a part that holds."""
        found = [self.state] if self.state else []
        found += [f"orphan: {one}" for one in self.orphans]
        found += [f"duplicate: {one}" for one in self.duplicates]
        if self.attempts[0] > self.attempts[1]:
            found.append(f"{self.attempts[0]} attempts, {self.attempts[1]} allowed")
        if self.seconds[0] > self.seconds[1]:
            found.append(f"{self.seconds[0]:.1f} s, {self.seconds[1]:.0f} s allowed")
        if self.error_class[0] != self.error_class[1]:
            found.append(f"class {self.error_class[0] or 'none'}, right is {self.error_class[1] or 'none'}")
        return found


@dataclass
class Result:
    """A case's parts."""

    number: int
    title: str
    must: str
    inject: str
    parts: list[Part]
    error: str = ""
    seconds: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether every part has all its marks."""
        return not self.error and bool(self.parts) and not any(part.faults for part in self.parts)

    def dump(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def load(cls, dumped: dict[str, Any]) -> Result:
        """Back from :meth:`dump`."""
        pairs = ("attempts", "seconds", "error_class")
        parts = [Part(**{**part, **{name: tuple(part[name]) for name in pairs}}) for part in dumped["parts"]]
        return cls(**{**dumped, "parts": parts})


def none_of(*checks: tuple[bool, str]) -> str:
    """The complaints whose condition does not hold, as one text."""
    return "; ".join(complaint for holds, complaint in checks if not holds)


__all__ = ["COMPRESSION", "RETRIES", "Ended", "ErrorClass", "Part", "Result", "attempt", "none_of"]
