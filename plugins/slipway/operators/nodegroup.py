"""Managed node groups, each with the launch template that EKS leaves to us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.amazon.aws.operators.eks import EksCreateNodegroupOperator
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from slipway.decisions.nodegroups import NodeGroupDrift, NodeGroupFacts, create_request, drift, why_failed
from slipway.decisions.parameters import Facts, nodegroup_parameters
from slipway.hooks.aws import AwsError, explained
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.eks import EksHook, is_in_use
from slipway.hooks.network import NetworkHook
from slipway.model.component import StageName
from slipway.model.errors import ErrorClass, Problem, RefusedError, StuckError
from slipway.model.platform import PlacedNodeGroup, Platform, Stack
from slipway.model.records import Action, Change
from slipway.model.stack import WantedStack
from slipway.operators.base import FINAL_ERRORS, platform_of, skip_unless_selected
from slipway.operators.cluster import issues, read_outputs, request_token
from slipway.operators.converge import Progress
from slipway.operators.links import NodeGroupLink
from slipway.operators.stack import StackConvergingOperator, network_zones, template
from slipway.triggers.eks import NodeGroupTrigger, UpdateTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

MADE_OF = (Stack.ENCRYPTION, Stack.NETWORK, Stack.IDENTITY)
# Two minutes as a rule; EKS itself gives up on nodes that do not join after about half an hour.
CREATE_LIMIT = timedelta(minutes=45)
# Rolling an update drains node after node: a quarter of an hour each at worst.
ROLL_LIMIT = timedelta(hours=4)


def placed_groups(platform: Platform) -> list[PlacedNodeGroup]:
    """The platform's node groups over the zones of its network."""
    live = CloudFormationHook(platform.region).find(platform.stack_name(Stack.NETWORK))
    return platform.node_groups(network_zones(platform, live))


class ListNodeGroupsOperator(BaseOperator):
    """Lists the environment's node groups, zonal ones per zone, for one mapped task each; in a plan, too.

    Returns dictionaries with ``name``, ``source`` and ``zones``; an empty list when the stage is left out, since
    tasks mapped over a skipped task would count as failed.
    """

    def __init__(self, *, stage: StageName, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """List the node groups, or none."""
        try:
            skip_unless_selected(context, self.stage)
        except AirflowSkipException as left_out:
            self.log.info("%s", left_out)
            return []
        try:
            with explained():
                groups = placed_groups(platform_of(context))
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("Node groups: %s", ", ".join(group.name for group in groups))
        return [{"name": group.name, "source": group.source, "zones": list(group.zones)} for group in groups]


class NodeGroupOperator(StackConvergingOperator, EksCreateNodegroupOperator):
    """One managed node group: its launch template first, then the group.

    The provider's operator makes the request; as with the cluster its waits are not used, since they delete the
    group when they time out and a second try fails on what the first one made.

    :param group: ``name``, ``source`` (its name in the environment) and ``zones``.
    """

    aws_hook_class = EksHook
    operator_extra_links = (NodeGroupLink(),)

    def __init__(self, *, group: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(
            cluster_name="slipway-{{ params.environment }}",
            nodegroup_subnets=[],
            nodegroup_role_arn="",
            deferrable=False,
            **kwargs,
        )
        self.group = group

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Compare launch template and group with the environment."""
        group = self.placed(platform)
        label = self.resource(platform)
        live = EksHook.of(platform.region).find_nodegroup(platform.cluster_name, group.name)
        if live is not None:
            self.require_ours(platform, live)
        facts = read_outputs(platform, MADE_OF)
        if missing := [stack for stack in MADE_OF if stack not in facts.outputs]:
            names = ", ".join(platform.stack_name(stack) for stack in missing)
            return [
                Change(action=Action.CREATE if live is None else Action.KEEP, resource=label, note=f"after {names}")
            ]
        hook = CloudFormationHook(platform.region)
        wanted = self.wanted_stack(platform, group, facts)
        changes = self.plan_stack(hook, platform, wanted)
        if live is None:
            spec = group.spec
            size = f"{spec.desired} x {', '.join(spec.instance_types)} ({spec.capacity_type})"
            return [*changes, Change(action=Action.CREATE, resource=label, note=size)]
        stack = hook.find(wanted.name)
        if stack is None or "LaunchTemplateId" not in stack.outputs:
            return [*changes, Change(action=Action.REPLACE, resource=label, note="its launch template is gone")]
        found = drift(live, group, platform, self.facts(platform, group, facts, stack.outputs))
        return [*changes, *self._planned(label, found)]

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Bring about the launch template, the group, its configuration and its version."""
        group = self.placed(platform)
        NodeGroupLink.show(self, context, platform.region, cluster=platform.cluster_name, nodegroup=group.name)
        self.region_name = platform.region
        live = EksHook.of(platform.region).find_nodegroup(platform.cluster_name, group.name)
        if live is not None:
            self.require_ours(platform, live)
        made_of = read_outputs(platform, MADE_OF)
        wanted = self.wanted_stack(platform, group, made_of)
        outputs = self.ensure_stack(context, platform, wanted, progress, f"nodegroup-{group.name}")
        facts = self.facts(platform, group, made_of, outputs)
        if live is None:
            self._create(context, platform, group, facts, progress)
            self._wait_until_active(platform, group, progress, "CREATING")
        self._require_sound(platform, group, live, progress)
        found = drift(live, group, platform, facts)
        if found.immutable:
            raise self._impossible(platform, found)
        self._update(platform, group, live, found, progress)
        return [] if progress.changes else [Change(action=Action.KEEP, resource=self.resource(platform))]

    def placed(self, platform: Platform) -> PlacedNodeGroup:
        """The group as the environment describes it."""
        spec = platform.environment.node_groups[self.group["source"]]
        return PlacedNodeGroup(self.group["name"], self.group["source"], spec, tuple(self.group["zones"]))

    def resource(self, platform: Platform) -> str:
        """The group's name in reports."""
        return f"AWS::EKS::Nodegroup {platform.cluster_name}/{self.group['name']}"

    @staticmethod
    def wanted_stack(platform: Platform, group: PlacedNodeGroup, facts: Facts) -> WantedStack:
        """The stack of the group's launch template."""
        return WantedStack(
            name=platform.nodegroup_stack_name(group.name),
            template=template("nodegroup"),
            parameters=nodegroup_parameters(group, platform, facts),
            tags=platform.tags,
        )

    @staticmethod
    def facts(platform: Platform, group: PlacedNodeGroup, made_of: Facts, outputs: Mapping[str, str]) -> NodeGroupFacts:
        """What the group is made of."""
        subnets = made_of.output(platform, Stack.NETWORK, "PrivateSubnetIds").split(",")
        zones = made_of.output(platform, Stack.NETWORK, "Zones").split(",")
        architecture, nvidia = NetworkHook(platform.region).instance_architecture(group.spec.instance_types[0])
        return NodeGroupFacts(
            role_arn=made_of.output(platform, Stack.IDENTITY, "NodeRoleArn"),
            subnet_ids=tuple(subnet for subnet, zone in zip(subnets, zones, strict=True) if zone in group.zones),
            launch_template=(outputs["LaunchTemplateId"], outputs["LatestVersionNumber"]),
            arm=architecture == "arm64",
            nvidia=nvidia,
        )

    def require_ours(self, platform: Platform, live: Mapping[str, Any]) -> None:
        """Refuse a group that belongs to somebody else.

        :raises RefusedError: it does not carry this platform's tags.
        """
        tags = dict(live.get("tags") or {})
        if platform.is_ours(tags):
            return
        raise RefusedError(
            Problem(
                where=self.resource(platform),
                field="tags",
                found=f"a node group with tags {tags or 'none'}",
                allowed="no node group of this name, or one that carries this platform's slipway:platform tag",
                mend="rename the group in the environment, or delete that node group yourself",
            ),
            ErrorClass.FOREIGN,
        )

    def _create(
        self, context: Context, platform: Platform, group: PlacedNodeGroup, facts: NodeGroupFacts, progress: Progress
    ) -> None:
        request = create_request(group, platform, facts)
        self.cluster_name = request.pop("clusterName")
        self.nodegroup_name = request.pop("nodegroupName")
        self.nodegroup_subnets = request.pop("subnets")
        self.nodegroup_role_arn = request.pop("nodeRole")
        token = request_token(platform.name, platform.region, group.name, context["dag_run"].run_id, request)
        self.create_nodegroup_kwargs = {**request, "clientRequestToken": token}
        try:
            EksCreateNodegroupOperator.execute(self, context)
        except AwsError as error:
            # Made meanwhile, by an earlier try whose answer was lost; whose it is, the next look says.
            if not is_in_use(error):
                raise
        progress.done["created"] = ""
        progress.changes.append(Change(action=Action.CREATE, resource=self.resource(platform)))

    def _require_sound(
        self, platform: Platform, group: PlacedNodeGroup, live: Mapping[str, Any], progress: Progress
    ) -> None:
        """Wait out what moves; a group that never came up is made anew in the next try, not in the one that saw it."""
        status = live["status"]
        if status in {"CREATING", "UPDATING", "DELETING"}:
            if status == "CREATING":
                progress.done["created"] = ""
            self._wait_until_active(platform, group, progress, status)
        if status == "CREATE_FAILED" and "created" not in progress.done:
            self.log.warning("Deleting %s, whose creation failed: %s", self.resource(platform), "; ".join(issues(live)))
            self.hook.delete_nodegroup(clusterName=platform.cluster_name, nodegroupName=group.name)
            self._wait_until_active(platform, group, progress, "DELETING")
        if status in {"CREATE_FAILED", "DELETE_FAILED"}:
            mend = why_failed(live.get("health", {}).get("issues", []))
            raise StuckError(
                self.resource(platform),
                status,
                issues(live),
                f"{mend}; then clear this task, which makes the group anew",
            )
        if status == "DEGRADED":
            self.log.warning("%s is DEGRADED: %s", self.resource(platform), "; ".join(issues(live)))

    def _update(
        self,
        platform: Platform,
        group: PlacedNodeGroup,
        live: Mapping[str, Any],
        found: NodeGroupDrift,
        progress: Progress,
    ) -> None:
        """Take the next of: tags, configuration, launch template version."""
        if found.tags:
            self.hook.conn.tag_resource(resourceArn=live["nodegroupArn"], tags=found.tags)
        if found.config:
            self._start(platform, group, "update_nodegroup_config", found.config, found.fields, progress)
        if found.version:
            self._start(platform, group, "update_nodegroup_version", found.version, found.fields, progress)

    def _start(
        self,
        platform: Platform,
        group: PlacedNodeGroup,
        call: str,
        arguments: Mapping[str, Any],
        fields: Sequence[str],
        progress: Progress,
    ) -> None:
        name = group.name
        if call in progress.done:
            ended = EksHook.of(platform.region).update(platform.cluster_name, progress.done[call], nodegroup=name)
            raise StuckError(
                self.resource(platform),
                f"unchanged after an update that ended {ended['status']}",
                [f"{error['errorCode']}: {error['errorMessage']}" for error in ended.get("errors", [])],
                "mend what the reasons name (PodEvictionFailure: a PodDisruptionBudget or a pod without controller "
                "kept its node), then clear this task",
            )
        self.log.info("Changing %s of %s", ", ".join(fields), self.resource(platform))
        try:
            answer = getattr(self.hook.conn, call)(clusterName=platform.cluster_name, nodegroupName=name, **arguments)
            update = str(answer["update"]["id"])
            progress.done[call] = update
            progress.changes.append(Change(action=Action.CHANGE, resource=self.resource(platform), fields=list(fields)))
        except AwsError as error:
            running = (
                EksHook.of(platform.region).running_update(platform.cluster_name, name) if is_in_use(error) else None
            )
            if running is None:
                raise
            update = running
        trigger = UpdateTrigger(platform.region, platform.cluster_name, update, nodegroup=name)
        self.wait_for(progress, f"update {update} of {self.resource(platform)}", trigger, ROLL_LIMIT)

    def _wait_until_active(self, platform: Platform, group: PlacedNodeGroup, progress: Progress, was: str) -> NoReturn:
        trigger = NodeGroupTrigger(platform.region, platform.cluster_name, group.name)
        limit = ROLL_LIMIT if was == "UPDATING" else CREATE_LIMIT
        self.wait_for(progress, f"{self.resource(platform)} while {was}", trigger, limit)

    def _impossible(self, platform: Platform, found: NodeGroupDrift) -> RefusedError:
        return RefusedError(
            Problem(
                where=self.resource(platform),
                field="",
                found="; ".join(found.immutable),
                allowed="what EKS can change in place: sizes, labels, taints, launch template version",
                mend=(
                    "undo the change; or rename the group in the environment, deploy, and deploy once more with "
                    f"approve: nodegroup/{self.group['name']}, which deletes this one"
                ),
            )
        )

    @staticmethod
    def _planned(label: str, found: NodeGroupDrift) -> list[Change]:
        changes = [Change(action=Action.REPLACE, resource=label, note=note) for note in found.immutable]
        if found.fields:
            changes.append(Change(action=Action.CHANGE, resource=label, fields=list(found.fields)))
        return changes or [Change(action=Action.KEEP, resource=label)]
