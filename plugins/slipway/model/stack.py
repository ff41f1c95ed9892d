"""CloudFormation stacks: as we want them, and as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# The prefix tells our change sets from those a person made.
CHANGE_SET_PREFIX = "slipway-"


@dataclass(frozen=True, slots=True)
class WantedStack:
    """A stack as the environment file and ``include/cloudformation`` say.

    :param parameters: values of the template's parameters, defaults left out.
    """

    name: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str]

    @property
    def change_set(self) -> str:
        """Name of the change set that makes it so: the same request has the same name, so a retry finds it."""
        request = [self.name, self.template, dict(self.parameters), dict(self.tags)]
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        return f"{CHANGE_SET_PREFIX}{digest[:16]}"


@dataclass(frozen=True, slots=True)
class LiveStack:
    """A stack as CloudFormation describes it.

    :param template: as it was submitted; empty while the stack is only under review.
    """

    name: str
    status: str
    reason: str = ""
    template: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    change_sets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One line of a change set.

    :param action: ``Add``, ``Modify``, ``Remove``, ``Import`` or ``Dynamic``.
    :param replacement: ``True``, ``False`` or ``Conditional``, as CloudFormation spells it; empty when it does not say.
    """

    action: str
    logical_id: str
    type: str
    replacement: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """A change set and what it would do."""

    name: str
    status: str
    execution_status: str
    reason: str
    changes: tuple[ResourceChange, ...]

    @property
    def is_pending(self) -> bool:
        """Whether CloudFormation still works it out."""
        return self.status in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}

    @property
    def is_ready(self) -> bool:
        """Whether it can be executed."""
        return self.status == "CREATE_COMPLETE" and self.execution_status == "AVAILABLE"

    @property
    def is_empty(self) -> bool:
        """Whether CloudFormation found nothing to change, which it calls a failure."""
        return self.status == "FAILED" and any(
            phrase in self.reason for phrase in ("didn't contain changes", "No updates are to be performed")
        )


def from_response(described: Mapping[str, Any]) -> tuple[ResourceChange, ...]:
    """Resource changes out of one page of ``DescribeChangeSet``."""
    changes = []
    for entry in described.get("Changes", []):
        change = entry.get("ResourceChange")
        if not change:
            continue
        targets = [detail.get("Target", {}) for detail in change.get("Details", [])]
        fields = [str(target.get("Name") or target.get("Attribute") or "") for target in targets]
        changes.append(
            ResourceChange(
                action=change["Action"],
                logical_id=change["LogicalResourceId"],
                type=change["ResourceType"],
                replacement=str(change.get("Replacement") or ""),
                fields=tuple(sorted({name for name in fields if name})),
            )
        )
    return tuple(changes)
