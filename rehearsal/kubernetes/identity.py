"""Who makes a request."""

from __future__ import annotations

from dataclasses import dataclass, field

MASTERS = "system:masters"


@dataclass(frozen=True)
class Identity:
    """An authenticated user.

    :ivar policies: EKS access policies as ``(policy name, namespaces)``; no namespaces means the cluster.
    """

    name: str
    groups: frozenset[str] = frozenset()
    uid: str = ""
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    policies: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def is_master(self) -> bool:
        """Whether authorization and some admission do not apply."""
        return MASTERS in self.groups


def service_account(namespace: str, name: str, uid: str = "") -> Identity:
    """The identity of a service account's token."""
    groups = frozenset({"system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"})
    return Identity(f"system:serviceaccount:{namespace}:{name}", groups, uid)


SYSTEM = Identity("system:kube-controller-manager", frozenset({MASTERS, "system:authenticated"}))
