"""What a write carries besides its object."""

from __future__ import annotations

from dataclasses import dataclass, field

from rehearsal.kubernetes.apply.managed import Writer
from rehearsal.kubernetes.identity import SYSTEM, Identity
from rehearsal.kubernetes.objects import Obj
from rehearsal.kubernetes.resources import Resource


@dataclass
class WriteOptions:
    """Options of a create, update, patch or delete.

    :ivar field_validation: ``Strict``, ``Warn`` or ``Ignore`` for fields the schema does not declare.
    :ivar trusted: the object was made by a controller from one already validated; skips decoding.
    :ivar warnings: filled while the request runs; sent as ``Warning`` headers.
    """

    user: Identity = SYSTEM
    manager: str = "kube-controller-manager"
    dry_run: bool = False
    field_validation: str = "Warn"
    force: bool = False
    subresource: str = ""
    trusted: bool = False
    warnings: list[str] = field(default_factory=list)

    def writer(self, resource: Resource, operation: str = "Update") -> Writer:
        """The field manager of this operation."""
        return Writer(self.manager, operation, resource.api_version, self.subresource)


@dataclass
class DeleteOptions:
    """``metav1.DeleteOptions``; None means the kind's default."""

    propagation: str | None = None
    grace_seconds: int | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False

    @classmethod
    def parse(cls, body: Obj) -> DeleteOptions:
        """From the body of a DELETE request."""
        preconditions = body.get("preconditions") or {}
        propagation = body.get("propagationPolicy")
        if propagation is None and body.get("orphanDependents") is not None:
            propagation = "Orphan" if body["orphanDependents"] else "Background"
        return cls(
            propagation=propagation,
            grace_seconds=body.get("gracePeriodSeconds"),
            uid=preconditions.get("uid", ""),
            resource_version=preconditions.get("resourceVersion", ""),
            dry_run=bool(body.get("dryRun")),
        )


def controller_options(manager: str = "kube-controller-manager") -> WriteOptions:
    """Options of a write a controller makes."""
    return WriteOptions(manager=manager, trusted=True, field_validation="Ignore")
