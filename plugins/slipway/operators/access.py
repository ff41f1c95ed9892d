"""Access to the cluster: access entries of people and roles, pod identities of components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slipway.catalog.components import load_components
from slipway.decisions.access import (
    WantedEntry,
    WantedIdentity,
    entry_change,
    satisfied,
    surplus_entries,
    surplus_identities,
    wanted_entries,
)
from slipway.decisions.parameters import Facts
from slipway.hooks.aws import explained
from slipway.hooks.eks import EksHook, caller_arn
from slipway.model.errors import ErrorClass, Problem, RefusedError
from slipway.model.platform import Platform, Stack
from slipway.model.records import Action, Change
from slipway.operators.base import PlatformOperator
from slipway.operators.cluster import read_outputs, require_cluster, require_ours

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


def pod_identities() -> list[WantedIdentity]:
    """Associations that components ask for; an add-on makes its own."""
    return [
        WantedIdentity(component.spec.namespace, identity.service_account, identity.role)
        for component in load_components().values()
        for identity in component.spec.pod_identities
    ]


class AccessOperator(PlatformOperator):
    """Keeps access entries and pod identities as the environment says; those of others are left alone."""

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Compare entries and associations."""
        hook = EksHook.of(platform.region)
        wanted = wanted_entries(platform, caller_arn(platform.region))
        cluster = hook.find_cluster(platform.cluster_name)
        if cluster is None or cluster["status"] == "CREATING":
            labels = [_entry_label(entry.principal_arn) for entry in wanted]
            labels += [_identity_label(identity) for identity in pod_identities()]
            return [Change(action=Action.CREATE, resource=label) for label in labels]
        require_ours(platform, cluster)
        facts = read_outputs(platform, (Stack.IDENTITY,))
        return [*self._entries(hook, platform, wanted, act=False), *self._identities(hook, platform, facts, act=False)]

    def act(self, context: Context, platform: Platform) -> Any:
        """Make it so; access changes take effect within seconds, so there is nothing to wait for."""
        with explained():
            hook = EksHook.of(platform.region)
            require_cluster(hook, platform)
            wanted = wanted_entries(platform, caller_arn(platform.region))
            changes = self._entries(hook, platform, wanted, act=True)
            facts = read_outputs(platform, (Stack.IDENTITY,))
            changes += self._identities(hook, platform, facts, act=True)
        return self.report(changes)

    def _entries(self, hook: EksHook, platform: Platform, wanted: Sequence[WantedEntry], *, act: bool) -> list[Change]:
        cluster = platform.cluster_name
        live = {arn: hook.find_access_entry(cluster, arn) for arn in hook.access_principals(cluster)}
        changes = [self._entry(hook, platform, live.get(entry.principal_arn), entry, act=act) for entry in wanted]
        tags = {arn: dict(entry.get("tags") or {}) for arn, entry in live.items() if entry}
        for principal in surplus_entries(tags, wanted, platform):
            if act:
                hook.conn.delete_access_entry(clusterName=cluster, principalArn=principal)
            changes.append(Change(action=Action.DELETE, resource=_entry_label(principal)))
        return changes

    def _entry(
        self, hook: EksHook, platform: Platform, live: Mapping[str, Any] | None, wanted: WantedEntry, *, act: bool
    ) -> Change:
        label = _entry_label(wanted.principal_arn)
        if live is not None and not platform.is_ours(dict(live.get("tags") or {})):
            if satisfied(live, wanted):
                return Change(action=Action.KEEP, resource=label, note="made by somebody else, grants what is wanted")
            raise _foreign_entry(platform, wanted)
        change = entry_change(live, wanted)
        target = {"clusterName": platform.cluster_name, "principalArn": wanted.principal_arn}
        if act and change.create:
            hook.conn.create_access_entry(**target, type="STANDARD", tags=platform.tags)
        if act and change.associate:
            hook.conn.associate_access_policy(**target, policyArn=wanted.policy_arn, accessScope=wanted.scope)
        if act:
            for arn in change.disassociate:
                hook.conn.disassociate_access_policy(**target, policyArn=arn)
        if change.create:
            return Change(action=Action.CREATE, resource=label, note=wanted.policy.value)
        action = Action.CHANGE if change.fields else Action.KEEP
        return Change(action=action, resource=label, fields=change.fields)

    def _identities(self, hook: EksHook, platform: Platform, facts: Facts, *, act: bool) -> list[Change]:
        cluster = platform.cluster_name
        live = hook.pod_identities(cluster)
        by_account = {(entry["namespace"], entry["serviceAccount"]): entry for entry in live}
        changes = []
        identities = pod_identities()
        for wanted in identities:
            role = facts.output(platform, Stack.IDENTITY, wanted.output)
            found = by_account.get((wanted.namespace, wanted.service_account))
            changes.append(self._identity(hook, platform, found, wanted, role, act=act))
        for entry in surplus_identities(live, identities, platform):
            if act:
                hook.conn.delete_pod_identity_association(clusterName=cluster, associationId=entry["associationId"])
            label = f"AWS::EKS::PodIdentityAssociation {entry['namespace']}/{entry['serviceAccount']}"
            changes.append(Change(action=Action.DELETE, resource=label))
        return changes

    def _identity(
        self,
        hook: EksHook,
        platform: Platform,
        live: Mapping[str, Any] | None,
        wanted: WantedIdentity,
        role: str,
        *,
        act: bool,
    ) -> Change:
        label, cluster = _identity_label(wanted), platform.cluster_name
        if live is None:
            if act:
                hook.conn.create_pod_identity_association(
                    clusterName=cluster,
                    namespace=wanted.namespace,
                    serviceAccount=wanted.service_account,
                    roleArn=role,
                    tags=platform.tags,
                )
            return Change(action=Action.CREATE, resource=label)
        if live["roleArn"] == role:
            return Change(action=Action.KEEP, resource=label)
        if not platform.is_ours(dict(live.get("tags") or {})):
            raise RefusedError(
                Problem(
                    where=label,
                    field="roleArn",
                    found=f"{live['roleArn']}, in an association that is not this platform's",
                    allowed=role,
                    mend="delete that association, then clear this task",
                ),
                ErrorClass.FOREIGN,
            )
        if act:
            hook.conn.update_pod_identity_association(
                clusterName=cluster, associationId=live["associationId"], roleArn=role
            )
        return Change(action=Action.CHANGE, resource=label, fields=["roleArn"])


def _foreign_entry(platform: Platform, wanted: WantedEntry) -> RefusedError:
    return RefusedError(
        Problem(
            where=_entry_label(wanted.principal_arn),
            field="policies",
            found="an access entry that is not this platform's and grants something else",
            allowed=f"{wanted.policy.value}, as the environment says",
            mend=(
                f"aws eks delete-access-entry --cluster-name {platform.cluster_name} "
                f"--principal-arn {wanted.principal_arn}; then clear this task"
            ),
        ),
        ErrorClass.FOREIGN,
    )


def _entry_label(principal: str) -> str:
    return f"AWS::EKS::AccessEntry {principal}"


def _identity_label(identity: WantedIdentity) -> str:
    return f"AWS::EKS::PodIdentityAssociation {identity.namespace}/{identity.service_account}"
