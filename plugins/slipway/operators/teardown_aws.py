"""Takes down what a platform has in AWS: add-ons, node groups, cluster, what was left, stacks, and the state last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from slipway.decisions.sweep import Keep
from slipway.decisions.teardown import stray
from slipway.hooks.aws import AwsError, message_of
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.eks import EksHook, is_absent, is_in_use
from slipway.hooks.removal import REMOVABLE, Removal, RemovalHook
from slipway.hooks.resources import LISTERS, ResourcesHook
from slipway.model.environment import AddonPhase
from slipway.model.errors import ErrorClass, Problem, RefusedError, StuckError
from slipway.model.platform import Platform, Stack
from slipway.model.records import Action, Change
from slipway.model.resource import Kind, Resource
from slipway.model.stack import LiveStack
from slipway.operators.cluster import issues
from slipway.operators.converge import Progress
from slipway.operators.teardown import TeardownOperator, keep_of
from slipway.triggers.cloudformation import StackTrigger
from slipway.triggers.eks import AddonsTrigger, ClusterTrigger, NodeGroupTrigger, UpdateTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

CLUSTER_LIMIT = timedelta(minutes=60)
# Draining takes a quarter of an hour per node at worst.
NODES_LIMIT = timedelta(hours=2)
ADDONS_LIMIT = timedelta(minutes=20)
STACK_LIMIT = timedelta(minutes=40)
STRAYS_LIMIT = timedelta(minutes=15)
ATTEMPTS = 3
_EKS_MOVING = frozenset({"CREATING", "UPDATING", "PENDING"})


class EksTeardownOperator(TeardownOperator):
    """A part of the cluster. There is nothing to do where the cluster is gone, or is somebody else's."""

    def own_cluster(self, platform: Platform) -> tuple[dict[str, Any] | None, str]:
        """The platform's cluster, or none and why."""
        live = EksHook.of(platform.region).find_cluster(platform.cluster_name)
        if live is None:
            return None, "there is no such cluster"
        if not platform.is_ours(dict(live.get("tags") or {})):
            return None, "left alone: this cluster is not ours"
        return live, ""

    def nothing(self, platform: Platform, why: str) -> list[Change]:
        """The report of a task that had nothing to do."""
        return [Change(action=Action.KEEP, resource=f"AWS::EKS::Cluster {platform.cluster_name}", note=why)]


class RemoveAddonsOperator(EksTeardownOperator):
    """Add-ons of one phase. One that will not go is left to go with the cluster.

    :param phase: those after the nodes go before the nodes, and the other way round.
    """

    def __init__(self, *, phase: AddonPhase, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.phase = phase

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Ask for all deletions, wait for all."""
        cluster, why = self.own_cluster(platform)
        if cluster is None:
            return self.nothing(platform, why)
        hook = EksHook.of(platform.region)
        # Whatever else was installed by hand needs nodes, as far as anybody knows.
        before = set(platform.addons(AddonPhase.BEFORE_NODES))
        names = [name for name in self._installed(hook, platform) if (name in before) == self._is_before]
        moving, kept = [], []
        for name in names:
            live = hook.find_addon(platform.cluster_name, name)
            if live is None:
                continue
            label = f"AWS::EKS::Addon {platform.cluster_name}/{name}"
            if live["status"] == "DELETE_FAILED" and name in progress.done:
                note = f"goes with the cluster: {'; '.join(issues(live)) or 'its deletion failed'}"
                kept.append(Change(action=Action.KEEP, resource=label, note=note))
                continue
            moving.append(name)
            if live["status"] != "DELETING" and name not in progress.done and self._delete(hook, platform, name):
                progress.done[name] = "deleted"
                progress.changes.append(Change(action=Action.DELETE, resource=label))
        if moving and self.patient(progress, ADDONS_LIMIT):
            trigger = AddonsTrigger(platform.region, platform.cluster_name, moving, ["DELETING", *_EKS_MOVING])
            self.wait_for(progress, f"add-ons {', '.join(moving)}", trigger, ADDONS_LIMIT)
        kept += [
            Change(action=Action.KEEP, resource=f"AWS::EKS::Addon {platform.cluster_name}/{name}", note=_SLOW)
            for name in moving
        ]
        return kept

    @property
    def _is_before(self) -> bool:
        return self.phase is AddonPhase.BEFORE_NODES

    @staticmethod
    def _installed(hook: EksHook, platform: Platform) -> list[str]:
        pages = hook.conn.get_paginator("list_addons").paginate(clusterName=platform.cluster_name)
        try:
            return [name for page in pages for name in page["addons"]]
        except AwsError as error:
            if is_absent(error):
                return []
            raise

    @staticmethod
    def _delete(hook: EksHook, platform: Platform, name: str) -> bool:
        try:
            hook.conn.delete_addon(clusterName=platform.cluster_name, addonName=name)
        except AwsError as error:
            if is_in_use(error):
                return False
            if not is_absent(error):
                raise
        return True


_SLOW = "goes with the cluster: it did not go in time"


class RemoveAllNodeGroupsOperator(EksTeardownOperator):
    """All managed node groups of the cluster at once, then their launch templates' stacks."""

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Ask for all deletions, then wait for one after the other."""
        cluster, why = self.own_cluster(platform)
        if cluster is not None:
            self._remove_groups(platform, progress)
        hook = CloudFormationHook(platform.region)
        for name in hook.names(platform.nodegroup_stack_name("")):
            remove_stack(self, platform, name, progress)
        return [] if progress.changes else self.nothing(platform, why or "it has no node groups")

    def _remove_groups(self, platform: Platform, progress: Progress) -> None:
        hook = EksHook.of(platform.region)
        left = []
        for name in hook.nodegroup_names(platform.cluster_name):
            live = hook.find_nodegroup(platform.cluster_name, name)
            if live is None:
                continue
            left.append(name)
            label = f"AWS::EKS::Nodegroup {platform.cluster_name}/{name}"
            tries = int(progress.done.get(label, "0"))
            failed = live["status"] == "DELETE_FAILED"
            if failed and tries >= ATTEMPTS:
                raise StuckError(label, "DELETE_FAILED", issues(live), "remove what the reasons name, clear this task")
            if live["status"] == "DELETING" or (tries and not failed):
                continue
            if self._delete(hook, platform, name):
                progress.done[label] = str(tries + 1)
                if not tries:
                    progress.changes.append(Change(action=Action.DELETE, resource=label))
        if left:
            trigger = NodeGroupTrigger(platform.region, platform.cluster_name, left[0])
            self.wait_for(progress, f"node group {left[0]}", trigger, NODES_LIMIT)

    def _delete(self, hook: EksHook, platform: Platform, name: str) -> bool:
        try:
            hook.delete_nodegroup(clusterName=platform.cluster_name, nodegroupName=name)
        except AwsError as error:
            # An update of it runs: its end is waited for, then it is asked again.
            if is_in_use(error):
                return False
            if not is_absent(error):
                raise
        return True


class RemoveClusterOperator(EksTeardownOperator):
    """The control plane: protection off, then gone. The cluster must have no node groups by now."""

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Take the next step to its end."""
        live, why = self.own_cluster(platform)
        label = f"AWS::EKS::Cluster {platform.cluster_name}"
        if live is None:
            return [] if progress.changes else self.nothing(platform, why)
        if live["status"] in {"DELETING", *_EKS_MOVING}:
            self._wait(platform, progress, live["status"])
        if live.get("deletionProtection"):
            self._unprotect(platform, label, progress)
        tries = int(progress.done.get(label, "0"))
        if tries >= ATTEMPTS:
            mend = f"find out what keeps it: aws eks describe-cluster --name {platform.cluster_name}; clear this task"
            raise StuckError(label, str(live["status"]), [*issues(live), progress.done.get("reason", "")], mend)
        progress.done[label] = str(tries + 1)
        try:
            EksHook.of(platform.region).delete_cluster(name=platform.cluster_name)
        except AwsError as error:
            if not is_in_use(error):
                if is_absent(error):
                    return []
                raise
            # An update runs, or EKS does not know yet that the node groups are gone.
            progress.done["reason"] = message_of(error)
            self.pause(platform, progress, CLUSTER_LIMIT)
        if not tries:
            progress.changes.append(Change(action=Action.DELETE, resource=label))
        return self._wait(platform, progress, "DELETING")

    def _unprotect(self, platform: Platform, label: str, progress: Progress) -> NoReturn:
        hook = EksHook.of(platform.region)
        answer = hook.conn.update_cluster_config(name=platform.cluster_name, deletionProtection=False)
        progress.changes.append(Change(action=Action.CHANGE, resource=label, fields=["deletionProtection"]))
        trigger = UpdateTrigger(platform.region, platform.cluster_name, answer["update"]["id"])
        self.wait_for(progress, f"{label} while its protection is switched off", trigger, CLUSTER_LIMIT)

    def _wait(self, platform: Platform, progress: Progress, was: str) -> NoReturn:
        trigger = ClusterTrigger(platform.region, platform.cluster_name)
        self.wait_for(progress, f"cluster {platform.cluster_name} while {was}", trigger, CLUSTER_LIMIT)


def remove_stack(operator: TeardownOperator, platform: Platform, name: str, progress: Progress) -> list[Change]:
    """Delete a stack of ours, whatever state it is in; returns when it is gone, waits when it is not.

    What a failed deletion names is deleted directly before the next try: it may have been changed by hand.

    :raises StuckError: it cannot be deleted, with CloudFormation's reasons.
    """
    hook = CloudFormationHook(platform.region)
    live = hook.find(name)
    label = f"AWS::CloudFormation::Stack {name}"
    if live is None:
        return [] if label in progress.done else [Change(action=Action.KEEP, resource=label, note="is not there")]
    if not platform.is_ours(dict(live.tags)):
        return [Change(action=Action.KEEP, resource=label, note="left alone: it is not ours")]
    tries = int(progress.done.get(label, "0"))
    if not live.status.endswith("_IN_PROGRESS") or live.status == "REVIEW_IN_PROGRESS":
        if tries >= ATTEMPTS:
            raise StuckError(label, live.status, hook.failures(name) or [live.reason], _STACK_MEND)
        if live.status == "DELETE_FAILED" and tries:
            _remove_what_failed(operator, platform, hook, live, progress)
        _ask_to_delete(hook, name)
        progress.done[label] = str(tries + 1)
        if not tries:
            progress.changes.append(Change(action=Action.DELETE, resource=label))
    return operator.wait_for(progress, f"stack {name}", StackTrigger(platform.region, name), STACK_LIMIT)


_STACK_MEND = "remove what holds the named resources, then clear this task"


def _ask_to_delete(hook: CloudFormationHook, name: str) -> None:
    try:
        hook.delete(name)
    except AwsError as error:
        if "TerminationProtection" not in message_of(error):
            raise
        hook.unprotect(name)
        hook.delete(name)


def _remove_what_failed(
    operator: TeardownOperator, platform: Platform, hook: CloudFormationHook, live: LiveStack, progress: Progress
) -> None:
    removal = RemovalHook(platform.region)
    for entry in hook.resources(live.name):
        if entry.get("ResourceStatus") != "DELETE_FAILED" or entry["ResourceType"] not in set(REMOVABLE):
            continue
        one = Resource(kind=entry["ResourceType"], id=entry.get("PhysicalResourceId", ""), region=platform.region)
        if one.kind == Kind.VPC or not one.id:
            continue
        outcome, why = removal.remove(one)
        operator.log.info("%s of stack %s: %s %s", one, live.name, outcome.value, why)
        if outcome is Removal.DONE:
            progress.changes.append(Change(action=Action.DELETE, resource=str(one), note="its stack could not"))


class RemoveStackOperator(TeardownOperator):
    """One of the platform's stacks.

    :param stack: which one.
    """

    def __init__(self, *, stack: Stack, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stack = stack

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Delete the stack; refuse while somebody else's things are in its network."""
        name = platform.stack_name(self.stack)
        if self.stack is Stack.NETWORK and CloudFormationHook(platform.region).find(name) is not None:
            self._refuse_intruders(platform)
        return remove_stack(self, platform, name, progress)

    @staticmethod
    def _refuse_intruders(platform: Platform) -> None:
        """A VPC with other people's things in it cannot go, and theirs are not ours to delete.

        :raises RefusedError: naming each of them.
        """
        found = ResourcesHook(platform).inventory(NETWORK_PARTS)
        if not found.intruders:
            return
        raise RefusedError(
            Problem(
                where=f"AWS::CloudFormation::Stack {platform.stack_name(Stack.NETWORK)}",
                field="",
                found="in its VPC and not ours: " + ", ".join(str(one) for one in found.intruders),
                allowed="a network that holds only the platform's own",
                mend="ask whoever they belong to to move or delete them, then clear this task",
            ),
            ErrorClass.FOREIGN,
        )


NETWORK_PARTS = (
    "EC2 instances", "network interfaces", "load balancers", "classic load balancers", "NAT gateways", "VPCs",
    "VPC endpoints", "security groups", "subnets", "EKS",
)  # fmt: skip


class RemoveStraysOperator(TeardownOperator):
    """What is ours and nothing else deletes: volumes, load balancers, interfaces, security groups, log groups, ...

    Made by the cluster's controllers and by AWS services, or left by a stack that is gone. It goes round after round,
    since one may hold another, until nothing is left or the time is up; the sweep names what then remains.
    """

    ui_color = "#fed7aa"

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """One round."""
        # Without what only tags tell of: nothing here could delete it.
        inventory = ResourcesHook(platform).inventory(LISTERS)
        found = stray(inventory, platform, keep_of(context), self._in_stacks(platform), REMOVABLE)
        waiting: dict[str, str] = {}
        for one in found:
            outcome, why = RemovalHook(platform.region).remove(one)
            if outcome is Removal.IN_USE:
                waiting[str(one)] = why
            elif str(one) not in progress.done:
                progress.done[str(one)] = "deleted"
                progress.changes.append(Change(action=Action.DELETE, resource=str(one), note=one.why))
        if found and self.patient(progress, STRAYS_LIMIT):
            for name, why in waiting.items():
                self.log.info("%s is still in use: %s", name, why)
            self.pause(platform, progress, STRAYS_LIMIT)
        return [Change(action=Action.KEEP, resource=name, note=f"in use: {why}") for name, why in waiting.items()]

    @staticmethod
    def _in_stacks(platform: Platform) -> set[str]:
        """Physical ids that our stacks hold: those go with their stack."""
        hook = CloudFormationHook(platform.region)
        return {
            entry["PhysicalResourceId"]
            for name in hook.names(f"{platform.name}-")
            for entry in hook.resources(name)
            if entry.get("PhysicalResourceId")
        }


class RemoveStateOperator(TeardownOperator):
    """The state stack, unless it is kept. The buckets and the key that it retains are strays from then on.

    With the bucket go the lease, the records and the reports.
    """

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Delete the stack, or say that it stays."""
        stack = platform.stack_name(Stack.STATE)
        if Keep.STATE in keep_of(context):
            return [Change(action=Action.KEEP, resource=f"AWS::CloudFormation::Stack {stack}", note="kept on purpose")]
        return remove_stack(self, platform, stack, progress)
