"""Which faults are active."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rehearsal.kubernetes.objects import Obj


@dataclass
class Fault:
    """One injected fault.

    :ivar spec: what the request said.
    :ivar made: objects that exist because of it: resource id, namespace, name.
    :ivar kept: objects as they were before it.
    """

    id: str
    kind: str
    spec: Obj
    at: float
    made: list[tuple[str, str, str]] = field(default_factory=list)
    kept: list[tuple[str, Obj]] = field(default_factory=list)

    def text(self, key: str, default: str = "") -> str:
        """A text of the spec."""
        return str(self.spec.get(key, default))

    def number(self, key: str, default: float) -> float:
        """A number of the spec."""
        return float(self.spec.get(key, default))

    def describe(self) -> Obj:
        """For the admin API."""
        return {"id": self.id, "kind": self.kind, "spec": self.spec}


class Faults:
    """The active faults of one cluster; they end with the process."""

    def __init__(self) -> None:
        self._active: dict[str, Fault] = {}
        self._ids = itertools.count(1)

    def new(self, kind: str, spec: Obj, at: float) -> Fault:
        """A fault that is about to be injected."""
        return Fault(f"fault-{next(self._ids)}", kind, spec, at)

    def add(self, fault: Fault) -> None:
        """It is active now."""
        self._active[fault.id] = fault

    def pop(self, fault_id: str) -> Fault:
        """It is over.

        :raises KeyError: there is none of that id.
        """
        return self._active.pop(fault_id)

    def all(self) -> list[Fault]:
        """Every active fault."""
        return list(self._active.values())

    def of(self, kind: str) -> Iterator[Fault]:
        """Active faults of a kind."""
        return (fault for fault in self._active.values() if fault.kind == kind)

    def value(self, kind: str, key: str, **subject: Any) -> float | None:
        """A number of the fault of a kind that names this subject; a part left out means any."""
        for fault in self.of(kind):
            given = {name: fault.spec[name] for name in subject if name in fault.spec}
            if given and all(subject[name] == value for name, value in given.items()):
                return fault.number(key, 0.95 if key == "ratio" else 1.0)
        return None

    def lost(self, machine: str) -> bool:
        """Whether a machine's node was taken away; it does not come back while the fault lasts."""
        return any(machine in fault.spec.get("machines", ()) for fault in self.of("node-gone"))

    def add_on_issue(self, name: str) -> str:
        """What is wrong with an add-on on purpose."""
        return next((f.text("message", "injected") for f in self.of("addon-degraded") if f.text("name") == name), "")
