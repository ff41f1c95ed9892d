"""Who may do what in the cluster: access entries for people, pod identities for pods."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.model.environment import AccessPolicy
from slipway.model.platform import Platform


@dataclass(frozen=True, slots=True)
class WantedEntry:
    """An access entry and its one policy.

    :param namespaces: where the policy holds; everywhere when empty.
    """

    principal_arn: str
    policy: AccessPolicy
    namespaces: tuple[str, ...] = ()

    @property
    def policy_arn(self) -> str:
        """ARN of the policy, in the principal's partition."""
        return f"arn:{self.principal_arn.split(':')[1]}:eks::aws:cluster-access-policy/{self.policy.value}"

    @property
    def scope(self) -> dict[str, Any]:
        """Scope as EKS takes it."""
        if self.namespaces:
            return {"type": "namespace", "namespaces": sorted(self.namespaces)}
        return {"type": "cluster"}


@dataclass(frozen=True, slots=True)
class EntryChange:
    """What to do about one access entry.

    :param create: the entry is missing.
    :param associate: its policy is missing or has another scope.
    :param disassociate: ARNs of policies it should not have.
    """

    create: bool
    associate: bool
    disassociate: tuple[str, ...] = ()

    @property
    def fields(self) -> list[str]:
        """What of an existing entry would change."""
        return ["policies"] if self.associate or self.disassociate else []


@dataclass(frozen=True, slots=True)
class WantedIdentity:
    """A pod identity association that no add-on makes.

    :param output: output of the identity stack with the role's ARN.
    """

    namespace: str
    service_account: str
    output: str


def wanted_entries(platform: Platform, deployer: str) -> list[WantedEntry]:
    """Entries of the environment file, and one for whoever deploys.

    The deployer's comes last and never weaker than administrator: without it the run locks itself out.
    """
    entries = [
        WantedEntry(entry.principal_arn, entry.policy, tuple(entry.namespaces))
        for entry in platform.environment.access
        if entry.principal_arn != deployer
    ]
    return [*entries, WantedEntry(deployer, AccessPolicy.CLUSTER_ADMIN)]


def entry_change(live: Mapping[str, Any] | None, wanted: WantedEntry) -> EntryChange:
    """Compare a live entry, with its ``policies``, to the wanted one."""
    if live is None:
        return EntryChange(create=True, associate=True)
    scopes = {policy["policyArn"]: _scope(policy["accessScope"]) for policy in live["policies"]}
    return EntryChange(
        create=False,
        associate=scopes.get(wanted.policy_arn) != _scope(wanted.scope),
        disassociate=tuple(sorted(arn for arn in scopes if arn != wanted.policy_arn)),
    )


def surplus_entries(
    live: Mapping[str, Mapping[str, str]], wanted: Sequence[WantedEntry], platform: Platform
) -> list[str]:
    """Principals whose entry we made and the file no longer has.

    :param live: tags of each principal's entry.
    """
    keep = {entry.principal_arn for entry in wanted}
    return sorted(arn for arn, tags in live.items() if arn not in keep and platform.is_ours(dict(tags)))


def satisfied(live: Mapping[str, Any], wanted: WantedEntry) -> bool:
    """Whether an entry that is not ours grants what is wanted anyway."""
    change = entry_change(live, wanted)
    return not change.create and not change.associate


def surplus_identities(
    live: Sequence[Mapping[str, Any]], wanted: Collection[WantedIdentity], platform: Platform
) -> list[Mapping[str, Any]]:
    """Associations we made and no longer want; those that belong to an add-on are its own."""
    keep = {(entry.namespace, entry.service_account) for entry in wanted}
    return [
        entry
        for entry in live
        if (entry["namespace"], entry["serviceAccount"]) not in keep
        and platform.is_ours(dict(entry.get("tags") or {}))
        and not entry.get("ownerArn")
    ]


def _scope(scope: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return str(scope["type"]), tuple(sorted(scope.get("namespaces") or []))
