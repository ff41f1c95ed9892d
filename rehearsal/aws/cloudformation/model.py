"""Stacks, resources, events and change sets as plain data.

They live in moto's CloudFormation backend, so whatever saves and restores moto's state saves them too.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


def at(moment: float) -> datetime:
    """A Unix time in seconds as CloudFormation reports it."""
    return datetime.fromtimestamp(moment, UTC)


@dataclass
class Resource:
    """One resource of a stack.

    :param properties: as resolved when it was last made or changed, stack tags included.
    :param attributes: what Fn::GetAtt returns.
    """

    logical_id: str
    type: str
    status: str
    moment: float
    physical_id: str | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    needs: set[str] = field(default_factory=set)
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"
    reason: str | None = None


@dataclass
class Event:
    """One line of a stack's history."""

    event_id: str
    moment: float
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str | None = None


@dataclass
class Step:
    """Work on one resource inside an operation.

    :param action: ``apply``, ``delete`` or ``restore``.
    :param resource: the resource to delete, or as it was before the update.
    """

    action: str
    logical_id: str
    needs: set[str] = field(default_factory=set)
    resource: Resource | None = None
    finish: float | None = None


@dataclass
class Operation:
    """What a stack is busy with.

    :param moment: Unix time up to which it has been worked off.
    :param speed: how many times faster than AWS.
    :param steps: what is left, by key; a step that has a ``finish`` is running.
    :param leftovers: what an update replaced or removed, to be deleted once it succeeded.
    :param previous: the stack as it was before an update.
    """

    kind: str
    moment: float
    speed: float
    steps: dict[str, Step] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    leftovers: list[Resource] = field(default_factory=list)
    previous: Stack | None = None


@dataclass
class ChangeSet:
    """A proposal to create or update a stack."""

    id: str
    name: str
    type: str
    created: float
    body: str
    parameters: dict[str, str]
    tags: dict[str, str]
    capabilities: list[str]
    description: str | None = None
    status: str = "CREATE_COMPLETE"
    execution_status: str = "AVAILABLE"
    reason: str | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    on_failure: str = "ROLLBACK"
    notification_arns: list[str] = field(default_factory=list)


@dataclass
class Stack:
    """One stack.

    :param on_failure: what follows a failed creation: ``ROLLBACK``, ``DELETE`` or ``DO_NOTHING``.
    :param before: what a failed rollback was on its way back to.
    """

    id: str
    name: str
    region: str
    account: str
    created: float
    status: str
    reason: str | None = None
    body: str = ""
    description: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    capabilities: list[str] = field(default_factory=list)
    notification_arns: list[str] = field(default_factory=list)
    role_arn: str | None = None
    on_failure: str = "ROLLBACK"
    protected: bool = False
    updated: float | None = None
    deleted: float | None = None
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    operation: Operation | None = None
    drift: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    before: Stack | None = None

    @property
    def stack_id(self) -> str:
        """The id, under the name that moto's tagging API reads."""
        return self.id

    @property
    def exists(self) -> bool:
        """Whether it still counts as a stack of that name."""
        return self.status != "DELETE_COMPLETE"

    def record(self, moment: float, status: str, reason: str | None = None) -> None:
        """Change the stack's own status and note it in its history."""
        self.status, self.reason = status, reason
        self.events.append(
            Event(str(uuid.uuid4()), moment, self.name, self.id, "AWS::CloudFormation::Stack", status, reason)
        )

    def note(self, moment: float, resource: Resource, status: str, reason: str | None = None) -> None:
        """Change a resource's status and note it in the stack's history."""
        resource.status, resource.reason, resource.moment = status, reason, moment
        suffix = f"{resource.logical_id}-{status}-{uuid.uuid4()}"
        self.events.append(
            Event(suffix, moment, resource.logical_id, resource.physical_id or "", resource.type, status, reason)
        )
