"""The body of a drift report: what differs from Git, field by field, and who did it."""

from __future__ import annotations

from enum import StrEnum

from slipway.model.records import Record


class How(StrEnum):
    """What happened to a resource by hand."""

    EDITED = "edited"
    DELETED = "deleted"
    ADDED = "added"


class FieldDrift(Record):
    """One field.

    :param wanted: as Git, or the stack's template, has it; ``absent`` when it has none. Secrets are never shown.
    """

    path: str
    wanted: str
    found: str


class Author(Record):
    """Who changed it.

    :param who: a field manager of Kubernetes (the client's name), or an IAM principal from CloudTrail.
    :param when: ISO 8601, empty when unknown.
    """

    who: str
    when: str = ""

    def __str__(self) -> str:
        return f"{self.who} at {self.when}" if self.when else self.who


class Finding(Record):
    """One resource that is not as Git says.

    :param resource: ``AWS::EKS::Cluster slipway-dev`` or ``Deployment apps/maze``.
    :param component: the component it belongs to; empty for AWS.
    :param mend: what brings it back.
    """

    resource: str
    how: How
    fields: list[FieldDrift] = []
    authors: list[Author] = []
    component: str = ""
    mend: str = ""

    @property
    def kind(self) -> str:
        """Kind of the resource."""
        return self.resource.split(" ")[0]

    def __str__(self) -> str:
        fields = "".join(f"; {one.path}: {one.found} instead of {one.wanted}" for one in self.fields)
        authors = f" by {', '.join(str(one) for one in self.authors)}" if self.authors else ""
        return f"{self.how.value} {self.resource}{authors}{fields}"


class DriftBody(Record):
    """Everything found.

    :param looked_at: how many resources were compared.
    """

    findings: list[Finding]
    looked_at: int
    repaired: list[str] = []
