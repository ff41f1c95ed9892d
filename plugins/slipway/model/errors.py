"""Errors people can act on.

Every error says where (file and field, or the resource), what was found, what is allowed and how to mend it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


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


class ConfigurationError(SlipwayError):
    """The configuration cannot be used; nothing was changed and no call was made.

    :param problems: everything found wrong, never only the first.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the configuration"
        super().__init__("\n".join([head, *(f"  - {problem}" for problem in self.problems)]))


class RefusedError(SlipwayError):
    """A guard refused: wrong account or region, a resource that is not ours, an unapproved replacement.

    Retrying cannot mend it, so operators fail without retries.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


class LeaseLostError(SlipwayError):
    """Another run holds the platform's lease; this one must stop."""


class StuckError(SlipwayError):
    """A resource ended in, or stayed in, a state that it will not leave by itself."""

    def __init__(self, resource: str, state: str, reasons: Sequence[str], mend: str) -> None:
        self.resource = resource
        self.state = state
        self.reasons = tuple(reasons)
        why = "; ".join(reasons) or "no reason was given"
        super().__init__(f"{resource} is {state}: {why}. Mend: {mend}")
