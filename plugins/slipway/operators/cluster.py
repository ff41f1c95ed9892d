"""The EKS control plane."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.amazon.aws.operators.eks import EksCreateClusterOperator

from slipway.decisions.clusters import ClusterDrift, ClusterFacts, ClusterUpdate, create_request, drift
from slipway.decisions.parameters import Facts
from slipway.hooks.aws import AwsError
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.eks import EksHook, is_in_use
from slipway.model.errors import ErrorClass, Problem, RefusedError, StuckError
from slipway.model.platform import Platform, Stack
from slipway.model.records import Action, Change
from slipway.operators.converge import ConvergingOperator, Progress
from slipway.operators.links import ClusterLink
from slipway.triggers.eks import ClusterTrigger, UpdateTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

# Creation takes 8 to 16 minutes; an update up to 40 when the endpoint moves.
LIMIT = timedelta(minutes=60)
MADE_OF = (Stack.ENCRYPTION, Stack.NETWORK, Stack.IDENTITY)


def request_token(*parts: Any) -> str:
    """Token by which AWS knows a repeated request: the same in every try of a run, another one in the next run.

    A token that stayed the same for ever could be answered with a resource that was deleted meanwhile.
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def read_outputs(platform: Platform, stacks: Sequence[Stack]) -> Facts:
    """Outputs of those of the platform's stacks that exist."""
    hook = CloudFormationHook(platform.region)
    found: dict[Stack, Mapping[str, str]] = {}
    for stack in stacks:
        outputs = hook.outputs(platform, stack)
        if outputs is not None:
            found[stack] = outputs
    return Facts(outputs=found)


def cluster_facts(platform: Platform, facts: Facts) -> ClusterFacts:
    """What the cluster is made of.

    :raises RefusedError: a stack is missing.
    """
    nat = facts.output(platform, Stack.NETWORK, "NatAddresses")
    return ClusterFacts(
        role_arn=facts.output(platform, Stack.IDENTITY, "ClusterRoleArn"),
        subnet_ids=tuple(facts.output(platform, Stack.NETWORK, "PrivateSubnetIds").split(",")),
        secrets_key_arn=facts.output(platform, Stack.ENCRYPTION, "SecretsKeyArn"),
        nat_addresses=() if nat == "none" else tuple(nat.split(",")),
    )


class ClusterOperator(ConvergingOperator, EksCreateClusterOperator):
    """Creates the cluster through the provider's operator, and keeps its configuration as the environment says.

    The provider's operator makes the request. Its waits are not used: they delete the cluster when they time out,
    and a second try fails on the cluster that the first one made.
    """

    aws_hook_class = EksHook
    operator_extra_links = (ClusterLink(),)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            cluster_name="slipway-{{ params.environment }}",
            cluster_role_arn="",
            resources_vpc_config={},
            compute=None,
            deferrable=False,
            **kwargs,
        )

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Compare the cluster with the environment."""
        label = _label(platform)
        live = EksHook.of(platform.region).find_cluster(platform.cluster_name)
        if live is None:
            return [Change(action=Action.CREATE, resource=label, note=platform.environment.cluster.version)]
        require_ours(platform, live)
        facts = read_outputs(platform, MADE_OF)
        if missing := [stack for stack in MADE_OF if stack not in facts.outputs]:
            names = ", ".join(platform.stack_name(stack) for stack in missing)
            return [Change(action=Action.KEEP, resource=label, note=f"cannot be compared without {names}")]
        found = drift(live, platform, cluster_facts(platform, facts))
        changes = [Change(action=Action.CHANGE, resource=label, fields=list(update.fields)) for update in found.updates]
        changes += [Change(action=Action.KEEP, resource=label, note=note) for note in found.left_alone]
        changes += [Change(action=Action.REPLACE, resource=label, note=note) for note in found.immutable]
        return changes or [Change(action=Action.KEEP, resource=label)]

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Create the cluster, or take the next update."""
        ClusterLink.show(self, context, platform.region, cluster=platform.cluster_name)
        self.region_name = platform.region
        live = EksHook.of(platform.region).find_cluster(platform.cluster_name)
        if live is not None:
            require_ours(platform, live)
        facts = cluster_facts(platform, read_outputs(platform, MADE_OF))
        if live is None:
            self._create(context, platform, facts, progress)
            self._wait_until_active(platform, progress)
        if live["status"] in {"CREATING", "PENDING", "UPDATING", "DELETING"}:
            self._wait_until_active(platform, progress, was=live["status"])
        if live["status"] == "FAILED":
            raise StuckError(_label(platform), "FAILED", issues(live), _FAILED_MEND.format(name=platform.cluster_name))
        found = drift(live, platform, facts)
        _require_possible(platform, found)
        for note in found.left_alone:
            self.log.warning("%s: %s", _label(platform), note)
        if found.updates:
            self._update(platform, live, found.updates[0], progress)
        kept = [Change(action=Action.KEEP, resource=_label(platform), note=note) for note in found.left_alone]
        return kept or ([] if progress.changes else [Change(action=Action.KEEP, resource=_label(platform))])

    def _create(self, context: Context, platform: Platform, facts: ClusterFacts, progress: Progress) -> None:
        request = create_request(platform, facts)
        self.cluster_name = request.pop("name")
        self.cluster_role_arn = request.pop("roleArn")
        self.resources_vpc_config = request.pop("resourcesVpcConfig")
        token = request_token(platform.name, platform.region, context["dag_run"].run_id, request)
        self.create_cluster_kwargs = {**request, "clientRequestToken": token}
        try:
            EksCreateClusterOperator.execute(self, context)
        except AwsError as error:
            # Made meanwhile, by an earlier try whose answer was lost; whose it is, the next look says.
            if not is_in_use(error):
                raise
        progress.changes.append(Change(action=Action.CREATE, resource=_label(platform)))

    def _update(self, platform: Platform, live: dict[str, Any], update: ClusterUpdate, progress: Progress) -> None:
        """Start one update and wait for it, or look again at once when it took effect at once."""
        mark = f"{update.call} {json.dumps(update.arguments, sort_keys=True)}"
        if mark in progress.done:
            ended = (
                EksHook.of(platform.region).update(platform.cluster_name, progress.done[mark])
                if progress.done[mark]
                else {}
            )
            raise StuckError(
                _label(platform),
                f"unchanged in {', '.join(update.fields)} after an update that ended {ended.get('status', 'at once')}",
                [f"{error['errorCode']}: {error['errorMessage']}" for error in ended.get("errors", [])],
                "compare the cluster with the environment file in the EKS console, then clear this task",
            )
        self.log.info("Changing %s of %s", ", ".join(update.fields), _label(platform))
        target = (
            {"resourceArn": live["arn"]}
            if update.call == "tag_resource"
            else {"clusterName": platform.cluster_name}
            if update.call == "associate_encryption_config"
            else {"name": platform.cluster_name}
        )
        try:
            answer = getattr(self.hook.conn, update.call)(**target, **update.arguments)
        except AwsError as error:
            if not is_in_use(error):
                raise
            # Another update runs, such as one an earlier try started.
            running = EksHook.of(platform.region).running_update(platform.cluster_name)
            if running is None:
                self._wait_until_active(platform, progress, was="in use")
            self._wait_for_update(platform, progress, str(running))
        progress.done[mark] = answer["update"]["id"] if "update" in answer else ""
        progress.changes.append(Change(action=Action.CHANGE, resource=_label(platform), fields=list(update.fields)))
        if "update" in answer:
            self._wait_for_update(platform, progress, answer["update"]["id"])

    def _wait_for_update(self, platform: Platform, progress: Progress, update: str) -> NoReturn:
        trigger = UpdateTrigger(platform.region, platform.cluster_name, update)
        self.wait_for(progress, f"update {update} of cluster {platform.cluster_name}", trigger, LIMIT)

    def _wait_until_active(self, platform: Platform, progress: Progress, was: str = "CREATING") -> NoReturn:
        trigger = ClusterTrigger(platform.region, platform.cluster_name)
        self.wait_for(progress, f"cluster {platform.cluster_name} while {was}", trigger, LIMIT)


_FAILED_MEND = (
    "mend what the reasons name; a cluster that failed to be created holds nothing, so delete it with: "
    "aws eks delete-cluster --name {name}; then clear this task"
)


def issues(resource: Mapping[str, Any]) -> list[str]:
    """Health issues of a cluster, node group or add-on, with the resources they name."""
    found = []
    for issue in resource.get("health", {}).get("issues", []):
        where = f" ({', '.join(issue['resourceIds'])})" if issue.get("resourceIds") else ""
        found.append(f"{issue.get('code', 'Unknown')}: {issue.get('message', '')}{where}")
    return found


def require_cluster(hook: EksHook, platform: Platform) -> dict[str, Any]:
    """Describe the platform's cluster.

    :raises RefusedError: there is none, or it is not ours.
    """
    live = hook.find_cluster(platform.cluster_name)
    if live is None:
        raise RefusedError(
            Problem(
                where=_label(platform),
                field="",
                found="no such cluster",
                allowed="the platform's cluster",
                mend="run the stage infrastructure from its first task",
            )
        )
    require_ours(platform, live)
    return live


def require_ours(platform: Platform, live: Mapping[str, Any]) -> None:
    """Refuse a cluster that belongs to somebody else.

    :raises RefusedError: it does not carry this platform's tags.
    """
    if platform.is_ours(dict(live.get("tags", {}))):
        return
    raise RefusedError(
        Problem(
            where=_label(platform),
            field="tags",
            found=f"a cluster with tags {dict(live.get('tags', {})) or 'none'}",
            allowed="no cluster of this name, or one that carries this platform's slipway:platform tag",
            mend="rename the environment, or delete that cluster yourself",
        ),
        ErrorClass.FOREIGN,
    )


def _require_possible(platform: Platform, found: ClusterDrift) -> None:
    if not found.immutable:
        return
    raise RefusedError(
        Problem(
            where=_label(platform),
            field="",
            found="; ".join(found.immutable),
            allowed="what EKS can change in place",
            mend="undo the change in the environment or its stacks; or tear the platform down and deploy it anew",
        )
    )


def _label(platform: Platform) -> str:
    return f"AWS::EKS::Cluster {platform.cluster_name}"
