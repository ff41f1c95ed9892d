"""Errors people can act on.

Every error says where (file and field, or the resource), what was found, what is allowed and how to mend it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Retry(StrEnum):
    """When a task that failed is tried again."""

    NOW = "at once"
    LATER = "later"
    ONCE = "once"
    NEVER = "never"
    USUAL = "as any task"


class ErrorClass(StrEnum):
    """What kind of failure it was, which alone decides whether trying again can mend it."""

    RETRY_NOW = "retry-now"
    RETRY_LATER = "retry-later"
    UNKNOWN_OUTCOME = "unknown-outcome"
    CAPACITY = "capacity"
    DEPENDENCY = "dependency-still-there"
    WEBHOOK = "webhook"
    EXPIRED = "credentials-expired"
    UNAUTHENTICATED = "unauthenticated"
    DENIED = "denied"
    QUOTA = "quota"
    BAD_INPUT = "bad-input"
    FOREIGN = "foreign-resource"
    REFUSED = "refused"
    LOST_LEASE = "lost-lease"
    STUCK = "stuck"
    VERDICT = "verdict"
    UNCLASSIFIED = "unclassified"

    @property
    def rule(self) -> ClassRule:
        """What goes for failures of this class."""
        return RULES[self]


@dataclass(frozen=True, slots=True)
class ClassRule:
    """What goes for a class of failures.

    :param retry: when Airflow tries again, within the task's ``retries``.
    :param meaning: what has happened.
    :param clear: whether and when clearing the task is safe. A task looks before it acts, so it always is once the
        cause is mended; before that it is of no use where ``retry`` is never.
    :param mend: the next step, where the error itself names none.
    """

    retry: Retry
    meaning: str
    clear: str
    mend: str


_AT_ANY_TIME = "yes, at any time"
_ONCE_MENDED = "yes, once that is mended; nothing changes until then"
RULES: dict[ErrorClass, ClassRule] = {
    ErrorClass.RETRY_NOW: ClassRule(
        Retry.NOW, "what was looked at changed in between", _AT_ANY_TIME, "clear the task, which looks again"
    ),
    ErrorClass.RETRY_LATER: ClassRule(
        Retry.LATER, "AWS or the Kubernetes API was throttling, failing or away", _AT_ANY_TIME,
        "clear the task once the service answers again: https://health.aws.amazon.com",
    ),
    ErrorClass.UNKNOWN_OUTCOME: ClassRule(
        Retry.NOW, "a request was sent and its answer was lost or unreadable, so it may have taken effect",
        "yes, at any time: the task finds what was made and takes it over by its tags",
        "clear the task, which reads what is there before it asks again",
    ),
    ErrorClass.CAPACITY: ClassRule(
        Retry.LATER, "AWS has no capacity of this kind in the zone right now", _AT_ANY_TIME,
        "name more instance types or zones for the node group in include/environments, deploy again",
    ),
    ErrorClass.DEPENDENCY: ClassRule(
        Retry.LATER, "something else still uses it or works on it", _AT_ANY_TIME,
        "remove what the message names, then clear the task",
    ),
    ErrorClass.WEBHOOK: ClassRule(
        Retry.LATER, "an admission webhook of the cluster could not be asked", _AT_ANY_TIME,
        "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations; mend the service of the one named",
    ),
    ErrorClass.EXPIRED: ClassRule(
        Retry.ONCE, "the credentials expired on the way", "yes, once the connection has new credentials",
        "renew the credentials of the connection aws_default, then clear the task",
    ),
    ErrorClass.UNAUTHENTICATED: ClassRule(
        Retry.NEVER, "the credentials, their signature or this machine's clock are not accepted", _ONCE_MENDED,
        "correct the connection aws_default, or the clock (timedatectl status), then clear the task",
    ),
    ErrorClass.DENIED: ClassRule(
        Retry.NEVER, "the principal may not do this", _ONCE_MENDED,
        "allow the action named above to the principal of the connection aws_default, then clear the task",
    ),
    ErrorClass.QUOTA: ClassRule(
        Retry.NEVER, "a quota of the account, or of a namespace, is used up", _ONCE_MENDED,
        "ask for more: aws service-quotas request-service-quota-increase; or free some; then clear the task",
    ),
    ErrorClass.BAD_INPUT: ClassRule(
        Retry.NEVER, "the request, the configuration or a manifest is not valid", _ONCE_MENDED,
        "correct what the message names in include/, then clear the task",
    ),
    ErrorClass.FOREIGN: ClassRule(
        Retry.NEVER, "something of this name is there that is not this platform's; it was left untouched",
        _ONCE_MENDED, "rename the environment or the resource, or remove the other one yourself",
    ),
    ErrorClass.REFUSED: ClassRule(
        Retry.NEVER, "a guard said no, and nothing was changed", _ONCE_MENDED, "do what the message says"
    ),
    ErrorClass.LOST_LEASE: ClassRule(
        Retry.NEVER, "another run has the lease of this platform", "yes, once that run has ended",
        "wait for the run that the message names, then clear the task",
    ),
    ErrorClass.STUCK: ClassRule(
        Retry.NEVER, "a resource is in a state that it will not leave by itself, or not in time", _ONCE_MENDED,
        "mend what the reasons name, then clear the task",
    ),
    ErrorClass.VERDICT: ClassRule(
        Retry.NEVER, "a gate, a check or a person said no", "yes: it judges anew",
        "see the reasons above; mend them, then clear the task",
    ),
    ErrorClass.UNCLASSIFIED: ClassRule(
        Retry.USUAL, "nothing that is known of", "yes: every task looks before it acts",
        "read the traceback above; if it happens again, report it with this log",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure, as it is told.

    :param doing: what was being done to what.
    :param why: why it failed, in the words of whoever refused.
    :param mend: the next step or command.
    :param retry_in: seconds until Airflow tries again; ``None`` when it does not, or by rules of its own.
    """

    doing: str
    why: str
    error_class: ErrorClass
    mend: str
    retry_in: float | None = None

    def __str__(self) -> str:
        rule = self.error_class.rule
        again = "" if self.retry_in is None else f"; tried again in {self.retry_in:.0f} s"
        following = self.mend if self.retry_in is None else f"nothing for now. Should it go on: {self.mend}"
        return (
            f"Doing: {self.doing}\nWhy: {self.why}\nClass: {self.error_class.value} ({rule.meaning}){again}\n"
            f"Safe to clear: {rule.clear}\nNext: {following}"
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and its mend.

    :param where: ``file:line`` of a configuration file, or an AWS or Kubernetes resource.
    :param field: dotted path of the field, empty when the whole subject is meant.
    :param found: what is there, as a person would quote it.
    :param allowed: what would be accepted.
    :param mend: the next step, best a command or an edit.
    """

    where: str
    field: str
    found: str
    allowed: str
    mend: str

    def __str__(self) -> str:
        at = f"{self.where}: {self.field}" if self.field else self.where
        return f"{at}: found {self.found}; allowed: {self.allowed}. Mend: {self.mend}"


class SlipwayError(Exception):
    """Base of all errors Slipway raises on purpose."""

    error_class: ErrorClass = ErrorClass.UNCLASSIFIED


class ConfigurationError(SlipwayError):
    """The configuration cannot be used; nothing was changed and no call was made.

    :param problems: everything found wrong, never only the first.
    """

    error_class = ErrorClass.BAD_INPUT

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class RefusedError(SlipwayError):
    """A guard refused: wrong account or region, a resource that is not ours, an unapproved replacement.

    Retrying cannot mend it, so operators fail without retries.
    """

    def __init__(self, problem: Problem, error_class: ErrorClass = ErrorClass.REFUSED) -> None:
        self.problem = problem
        self.error_class = error_class
        super().__init__(str(problem))


class LeaseLostError(SlipwayError):
    """Another run holds the platform's lease; this one must stop."""

    error_class = ErrorClass.LOST_LEASE


class UnansweredError(SlipwayError):
    """A wait ended because AWS or the Kubernetes API could not be asked any more."""

    def __init__(self, message: str, error_class: ErrorClass) -> None:
        self.error_class = error_class
        super().__init__(message)


class StuckError(SlipwayError):
    """A resource ended in, or stayed in, a state that it will not leave by itself.

    Where the reasons say that it was throttling, missing capacity and the like, that is what trying again goes by.
    """

    error_class = ErrorClass.STUCK

    def __init__(self, resource: str, state: str, reasons: Sequence[str], mend: str) -> None:
        self.resource = resource
        self.state = state
        self.reasons = tuple(reasons)
        self.mend = mend
        why = "; ".join(reasons) or "no reason was given"
        super().__init__(f"{resource} is {state}: {why}. Mend: {mend}")
