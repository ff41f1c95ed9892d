"""Node groups that left the environment file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from slipway.hooks.aws import AwsError
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.eks import EksHook, is_in_use
from slipway.model.errors import StuckError
from slipway.model.platform import Platform
from slipway.model.records import Action, Change
from slipway.operators.cluster import issues
from slipway.operators.converge import ConvergingOperator, Progress
from slipway.operators.nodegroup import placed_groups
from slipway.triggers.cloudformation import StackTrigger
from slipway.triggers.eks import NodeGroupTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# Draining takes a quarter of an hour per node at worst.
LIMIT = timedelta(hours=2)
STACK_LIMIT = timedelta(minutes=15)


def approval(name: str) -> str:
    """What a run's ``approve`` must hold for a node group to be deleted."""
    return f"nodegroup/{name}"


class RemoveNodeGroupsOperator(ConvergingOperator):
    """Deletes node groups of ours that the environment no longer has, each only when the run approves it by name.

    It comes after the other node groups, so that what runs on the old nodes has somewhere to go.
    """

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Say which would be deleted, and which need approval for that."""
        return [
            self._judged(context, platform, name, exists=live is not None)
            for name, live in self._left_out(platform).items()
        ]

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Delete one after the other, the group first and then its launch template."""
        kept = []
        for name, live in self._left_out(platform).items():
            change = self._judged(context, platform, name, exists=live is not None)
            if change.action is Action.KEEP:
                self.log.warning("%s", change)
                kept.append(change)
            elif live is not None:
                self._delete_group(platform, name, live, progress)
            else:
                self._delete_stack(platform, name, progress)
        return kept

    @staticmethod
    def _left_out(platform: Platform) -> dict[str, dict[str, Any] | None]:
        """Groups of ours that the environment lacks; ``None`` for one of which only the launch template is left."""
        hook, stacks = EksHook.of(platform.region), CloudFormationHook(platform.region)
        wanted = {group.name for group in placed_groups(platform)}
        prefix = platform.nodegroup_stack_name("")
        names = {*hook.nodegroup_names(platform.cluster_name)}
        names |= {stack.removeprefix(prefix) for stack in stacks.names(prefix)}
        found: dict[str, dict[str, Any] | None] = {}
        for name in sorted(names - wanted):
            live = hook.find_nodegroup(platform.cluster_name, name)
            stack = stacks.find(platform.nodegroup_stack_name(name))
            tags = live.get("tags") if live is not None else stack.tags if stack is not None else None
            if platform.is_ours(dict(tags or {})):
                found[name] = live
        return found

    @staticmethod
    def _judged(context: Context, platform: Platform, name: str, *, exists: bool) -> Change:
        """What is done about a group: nothing unapproved, while it holds nodes."""
        if not exists:
            label = f"AWS::CloudFormation::Stack {platform.nodegroup_stack_name(name)}"
            return Change(action=Action.DELETE, resource=label)
        if approval(name) in (context["params"].get("approve") or []):
            return Change(action=Action.DELETE, resource=_label(platform, name))
        note = f"not in the environment any more; delete it with approve: {approval(name)}"
        return Change(action=Action.KEEP, resource=_label(platform, name), note=note)

    def _delete_group(self, platform: Platform, name: str, live: Mapping[str, Any], progress: Progress) -> NoReturn:
        """Start deleting a group, unless that is under way, and wait for its end."""
        label = _label(platform, name)
        if live["status"] == "DELETE_FAILED" and label in progress.done:
            raise StuckError(label, "DELETE_FAILED", issues(live), "remove what the reasons name, clear this task")
        if live["status"] != "DELETING" and label not in progress.done:
            try:
                EksHook.of(platform.region).delete_nodegroup(clusterName=platform.cluster_name, nodegroupName=name)
                progress.done[label] = "deleted"
                progress.changes.append(Change(action=Action.DELETE, resource=label))
            except AwsError as error:
                # An update of it runs: wait for that first.
                if not is_in_use(error):
                    raise
        self.wait_for(progress, label, NodeGroupTrigger(platform.region, platform.cluster_name, name), LIMIT)

    def _delete_stack(self, platform: Platform, name: str, progress: Progress) -> NoReturn:
        hook = CloudFormationHook(platform.region)
        stack = platform.nodegroup_stack_name(name)
        live = hook.find(stack)
        label = f"AWS::CloudFormation::Stack {stack}"
        if live is not None and live.status == "DELETE_FAILED" and label in progress.done:
            raise StuckError(label, live.status, hook.failures(stack), "remove what the reasons name, clear this task")
        if live is not None and live.status != "DELETE_IN_PROGRESS" and label not in progress.done:
            hook.delete(stack)
            progress.done[label] = "deleted"
            progress.changes.append(Change(action=Action.DELETE, resource=label))
        self.wait_for(progress, label, StackTrigger(platform.region, stack), STACK_LIMIT)


def _label(platform: Platform, name: str) -> str:
    return f"AWS::EKS::Nodegroup {platform.cluster_name}/{name}"
