"""What a run leaves behind: changes, check results, releases. Written as JSON to the artefact bucket."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, JsonValue


class Record(BaseModel):
    """A record is written once and read by later versions, which may have added fields."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Action(StrEnum):
    """What is, or would be, done to one resource."""

    CREATE = "create"
    CHANGE = "change"
    REPLACE = "replace"
    DELETE = "delete"
    KEEP = "keep"


class Change(Record):
    """One resource and what is, or would be, done to it.

    :param resource: ``AWS::EKS::Cluster slipway-dev`` or ``StatefulSet streaming/kafka``.
    :param fields: dotted paths of what differs, when known.
    """

    action: Action
    resource: str
    fields: list[str] = []
    note: str = ""

    def __str__(self) -> str:
        tail = f" ({', '.join(self.fields)})" if self.fields else ""
        return f"{self.action.value:7} {self.resource}{tail}{' - ' + self.note if self.note else ''}"


class CheckState(StrEnum):
    """How a check ended. Skipped means that it did not run, whatever the reason."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class CheckResult(Record):
    """Outcome of one check.

    :param proved: the JSON object the check printed last, with its numbers; empty unless it passed.
    :param seconds: from the pod's start to its end.
    """

    component: str
    check: str
    state: CheckState
    proves: str
    reason: str = ""
    proved: dict[str, JsonValue] = {}
    seconds: float | None = None


class ReleaseState(StrEnum):
    """How far a release came: being applied, accepted by the API, or seen to be ready."""

    APPLYING = "applying"
    APPLIED = "applied"
    READY = "ready"

    @property
    def rank(self) -> int:
        """Position in a release's life, from 0."""
        return list(ReleaseState).index(self)


class Release(Record):
    """One applied version of a component, kept in the cluster.

    :param digest: SHA-256 of the rendered manifests, canonical JSON.
    :param objects: ``apiVersion|kind|namespace|name`` of every object, the inventory for pruning.
    :param state: only a release that became ready is worth going back to.
    :param images: digest that nodes pulled for each image reference, read from its pods when it became ready.
    """

    component: str
    number: int
    digest: str
    applied_at: datetime
    run_id: str
    objects: list[str]
    state: ReleaseState = ReleaseState.APPLIED
    images: dict[str, str] = {}
