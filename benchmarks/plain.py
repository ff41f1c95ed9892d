"""A deploy without Airflow: boto3 and kubectl, the same calls in the same order, waiting where a deploy waits.

    python benchmarks/plain.py ENVIRONMENT [STAGE ...]

What it sends comes from the same pure functions and manifests as a deploy's, so that both build the same platform; how
it sends and waits is boto3's and kubectl's own. Whatever may run side by side does, as in the DAG. It has no lease,
plan, adoption, prune, release record or report: it is the floor, not a rival. It prints one line of JSON with seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "plugins"), str(ROOT)]

import boto3  # noqa: E402
from slipway.build.graph import INFRASTRUCTURE, component_edges, of_stage  # noqa: E402
from slipway.catalog.components import load_components  # noqa: E402
from slipway.catalog.environments import load_platform  # noqa: E402
from slipway.catalog.paths import cloudformation_dir  # noqa: E402
from slipway.catalog.render import image_for, render  # noqa: E402
from slipway.decisions import access, addons, clusters, nodegroups  # noqa: E402
from slipway.decisions.checks import main_image  # noqa: E402
from slipway.decisions.kinds import in_waves  # noqa: E402
from slipway.decisions.parameters import Facts, nodegroup_parameters, stack_parameters  # noqa: E402
from slipway.hooks import check_pods  # noqa: E402
from slipway.hooks.certificates import trusting  # noqa: E402
from slipway.hooks.secrets import _complete, copies  # noqa: E402
from slipway.model.component import Component, StageName  # noqa: E402
from slipway.model.environment import AddonPhase  # noqa: E402
from slipway.model.platform import Stack  # noqa: E402

from rehearsal.kubeconfig import token  # noqa: E402

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
# Between two looks, in seconds: a compressed cloud is asked as often as Slipway's triggers begin with.
DELAY = {"Delay": 1, "MaxAttempts": 3600}
SIDE_BY_SIDE = 16
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
CANNOT_RUN_HERE = 100
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet"}


class Plain:
    """One deploy."""

    def __init__(self, environment: str) -> None:
        self.platform = load_platform(environment)
        self.region = self.platform.region
        self.outputs: dict[Stack, Mapping[str, str]] = {}
        self._config = Path(os.environ.get("PLAIN_FOLDER") or tempfile.mkdtemp()) / "kubeconfig"

    def client(self, service: str) -> Any:
        """A client of this thread's."""
        return boto3.session.Session().client(service, region_name=self.region)

    @property
    def facts(self) -> Facts:
        """What is known of the stacks so far."""
        zones = self.client("ec2").describe_availability_zones()["AvailabilityZones"]
        names = sorted(zone["ZoneName"] for zone in zones)
        wanted = self.platform.environment.network.zones
        return Facts(outputs=self.outputs, zones=names[:wanted] if isinstance(wanted, int) else wanted)

    def make_stack(self, name: str, template: str, parameters: Mapping[str, str]) -> dict[str, str]:
        """Create a stack through a change set, as Slipway does; returns its outputs."""
        cloudformation = self.client("cloudformation")
        cloudformation.create_change_set(
            StackName=name,
            ChangeSetName="plain",
            ChangeSetType="CREATE",
            TemplateBody=(cloudformation_dir() / f"{template}.yaml").read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Tags=[{"Key": key, "Value": value} for key, value in self.platform.tags.items()],
            Capabilities=CAPABILITIES,
        )
        cloudformation.get_waiter("change_set_create_complete").wait(
            StackName=name, ChangeSetName="plain", WaiterConfig=DELAY
        )
        cloudformation.execute_change_set(StackName=name, ChangeSetName="plain")
        cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=DELAY)
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in found}

    def stack(self, stack: Stack) -> None:
        """One of the platform's stacks."""
        parameters = stack_parameters(stack, self.platform, self.facts)
        self.outputs[stack] = self.make_stack(self.platform.stack_name(stack), stack.value, parameters)

    def output(self, stack: Stack, name: str) -> str:
        """An output of a stack that was made."""
        return self.outputs[stack][name]

    def cluster(self) -> None:
        """The control plane."""
        nat = self.output(Stack.NETWORK, "NatAddresses")
        facts = clusters.ClusterFacts(
            role_arn=self.output(Stack.IDENTITY, "ClusterRoleArn"),
            subnet_ids=tuple(self.output(Stack.NETWORK, "PrivateSubnetIds").split(",")),
            secrets_key_arn=self.output(Stack.ENCRYPTION, "SecretsKeyArn"),
            nat_addresses=() if nat == "none" else tuple(nat.split(",")),
        )
        eks = self.client("eks")
        eks.create_cluster(**clusters.create_request(self.platform, facts))
        eks.get_waiter("cluster_active").wait(name=self.platform.cluster_name, WaiterConfig=DELAY)
        found = eks.describe_cluster(name=self.platform.cluster_name)["cluster"]
        cluster = {"server": found["endpoint"], "certificate-authority-data": found["certificateAuthority"]["data"]}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "plain",
            "clusters": [{"name": "plain", "cluster": cluster}],
            "users": [{"name": "plain", "user": {}}],
            "contexts": [{"name": "plain", "context": {"cluster": "plain", "user": "plain"}}],
        }
        self._config.touch(mode=0o600)
        self._config.write_text(json.dumps(document))

    def access(self) -> None:
        """Access entries and pod identities."""
        eks, cluster = self.client("eks"), self.platform.cluster_name
        deployer = self.client("sts").get_caller_identity()["Arn"]
        for entry in access.wanted_entries(self.platform, deployer):
            target = {"clusterName": cluster, "principalArn": entry.principal_arn}
            # The creator's own is there already.
            with suppress(eks.exceptions.ResourceInUseException):
                eks.create_access_entry(**target, type="STANDARD", tags=self.platform.tags)
            eks.associate_access_policy(**target, policyArn=entry.policy_arn, accessScope=entry.scope)
        for component in load_components().values():
            for identity in component.spec.pod_identities:
                eks.create_pod_identity_association(
                    clusterName=cluster,
                    namespace=component.spec.namespace,
                    serviceAccount=identity.service_account,
                    roleArn=self.output(Stack.IDENTITY, identity.role),
                    tags=self.platform.tags,
                )

    def addons(self, phase: AddonPhase) -> None:
        """Add-ons of a phase; those without nodes need only be there."""
        eks, cluster = self.client("eks"), self.platform.cluster_name
        names = list(self.platform.addons(phase))
        for name in names:
            spec = self.platform.addon(name)
            version = self.platform.environment.cluster.version
            offered = eks.describe_addon_versions(addonName=name, kubernetesVersion=version)["addons"][0]
            chosen = addons.choose_version(name, spec, offered["addonVersions"], None)
            role = self.output(Stack.IDENTITY, spec.role) if spec.role else None
            wanted = addons.WantedAddon(name, chosen, spec.configuration, spec.service_account, role)
            eks.create_addon(clusterName=cluster, **wanted.request(self.platform.tags))
        if phase is AddonPhase.AFTER_NODES:
            for name in (*self.platform.addons(AddonPhase.BEFORE_NODES), *names):
                eks.get_waiter("addon_active").wait(clusterName=cluster, addonName=name, WaiterConfig=DELAY)
            return
        while any(
            eks.describe_addon(clusterName=cluster, addonName=name)["addon"]["status"] == "CREATING" for name in names
        ):
            time.sleep(DELAY["Delay"])

    def node_groups(self) -> None:
        """All node groups, side by side."""
        zones = self.output(Stack.NETWORK, "Zones").split(",")
        with ThreadPoolExecutor() as pool:
            for done in [pool.submit(self.node_group, group) for group in self.platform.node_groups(zones)]:
                done.result()

    def node_group(self, group: Any) -> None:
        """Launch template and group."""
        made = self.make_stack(
            self.platform.nodegroup_stack_name(group.name),
            "nodegroup",
            nodegroup_parameters(group, self.platform, Facts(outputs=self.outputs)),
        )
        kind = self.client("ec2").describe_instance_types(InstanceTypes=[group.spec.instance_types[0]])
        architecture = kind["InstanceTypes"][0]["ProcessorInfo"]["SupportedArchitectures"][0]
        subnets = self.output(Stack.NETWORK, "PrivateSubnetIds").split(",")
        zones = self.output(Stack.NETWORK, "Zones").split(",")
        facts = nodegroups.NodeGroupFacts(
            role_arn=self.output(Stack.IDENTITY, "NodeRoleArn"),
            subnet_ids=tuple(subnet for subnet, zone in zip(subnets, zones, strict=True) if zone in group.zones),
            launch_template=(made["LaunchTemplateId"], made["LatestVersionNumber"]),
            arm=architecture == "arm64",
        )
        eks = self.client("eks")
        eks.create_nodegroup(**nodegroups.create_request(group, self.platform, facts))
        eks.get_waiter("nodegroup_active").wait(
            clusterName=self.platform.cluster_name, nodegroupName=group.name, WaiterConfig=DELAY
        )

    def kubectl(self, *arguments: str, body: str = "") -> str:
        """Run kubectl; its token is ready, as an exec plugin's start would be measured otherwise."""
        access = [f"--kubeconfig={self._config}", f"--cache-dir={self._config.parent / 'cache'}"]
        command = [KUBECTL, *access, f"--token={token(self.platform.cluster_name)}", *arguments]
        done = subprocess.run(command, input=body, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(arguments[:3])}: {done.stderr.strip()[-1500:]}")
        return done.stdout

    def deploy(self, component: Component) -> None:
        """Secrets, apply, rollout."""
        objects = render(component, self.platform)
        made = {secret.name: self.secret(component, secret) for secret in component.spec.secrets}
        objects = trusting(objects, made)
        mine = [one for secret in component.spec.secrets for one in copies(component, secret, made[secret.name])]
        objects = [item for wave in in_waves([*mine, *objects]) for item in wave]
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("apply", "--server-side", "-f", "-", body=listed)
        for item in objects:
            if item["kind"] in WORKLOADS:
                name, where = item["metadata"]["name"], item["metadata"]["namespace"]
                self.kubectl("rollout", "status", f"{item['kind'].lower()}/{name}", "-n", where, "--timeout=15m")
            elif item["kind"] == "Job":
                name, where = item["metadata"]["name"], item["metadata"]["namespace"]
                self.kubectl("wait", "--for=condition=complete", f"job/{name}", "-n", where, "--timeout=15m")

    def secret(self, component: Component, secret: Any) -> dict[str, str]:
        """Generate and store a component's secret."""
        values = _complete(secret, {})
        name = f"slipway-{self.platform.environment.name}/{component.name}/{secret.name}"
        self.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(values))
        return values

    def check(self, component: Component, check: Any) -> None:
        """Run a check's pod to its end, read its log, delete it."""
        objects = render(component, self.platform)
        image = image_for(check.image or main_image(component, objects), self.platform)
        name, where = f"plain-{component.name}-{check.name}"[:60], component.spec.namespace
        pod = check_pods.manifest(
            name,
            component,
            check,
            image=image,
            region=self.region,
            tolerations=[],
            more_labels={},
            deadline_seconds=int(check.timeout.total_seconds()) + 300,
        )
        self.kubectl("apply", "--server-side", "-f", "-", body=json.dumps(pod))
        shown = "jsonpath={.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}"
        while not (found := self.kubectl("get", "pod", name, "-n", where, "-o", shown)).startswith(
            ("Succeeded", "Failed")
        ):
            time.sleep(DELAY["Delay"])
        self.kubectl("logs", name, "-n", where)
        self.kubectl("delete", "pod", name, "-n", where, "--wait=false")
        if found.split()[-1] not in {"0", str(CANNOT_RUN_HERE)}:
            raise RuntimeError(f"{component.name}/{check.name}: {found}")


def steps(plain: Plain, stages: list[StageName]) -> tuple[dict[str, Callable[[], object]], dict[str, set[str]]]:
    """What there is to do, and what each waits for."""
    work: dict[str, Callable[[], object]] = {"state": lambda: plain.stack(Stack.STATE)}
    needs: dict[str, set[str]] = {"state": set()}
    makers: dict[str, Callable[[], object]] = {
        stack.value: (lambda stack=stack: plain.stack(stack))
        for stack in (Stack.ENCRYPTION, Stack.NETWORK, Stack.IDENTITY, Stack.AUDIT, Stack.BUDGET)
    }
    makers |= {
        "cluster": plain.cluster,
        "access": plain.access,
        "addons_before_nodes": lambda: plain.addons(AddonPhase.BEFORE_NODES),
        "node_groups": plain.node_groups,
        "addons": lambda: plain.addons(AddonPhase.AFTER_NODES),
    }
    for part, before in INFRASTRUCTURE.items():
        work[part], needs[part] = makers[part], set(before) or {"state"}
    ends = set(work)
    components = {
        name: one
        for name, one in load_components().items()
        if name not in plain.platform.environment.components.disabled
    }
    edges = list(component_edges(components))
    for stage in stages:
        mine = of_stage(components, stage)
        here: set[str] = set()
        for name, component in mine.items():
            work[name] = lambda component=component: plain.deploy(component)
            needs[name] = ends | {need for need, needing in edges if needing == name}
            here.add(name)
            for check in component.spec.checks:
                step = f"{name}/{check.name}"
                work[step] = lambda component=component, check=check: plain.check(component, check)
                needs[step] = {name}
                here.add(step)
        ends = here or ends
    return work, needs


def run(work: Mapping[str, Callable[[], object]], needs: Mapping[str, set[str]]) -> None:
    """Everything as soon as what it needs is done."""
    order = TopologicalSorter(needs)
    order.prepare()
    running: dict[Future[object], str] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        while order.is_active():
            running |= {pool.submit(work[name]): name for name in order.get_ready()}
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                done.result()
                order.done(running.pop(done))


def main() -> int:
    environment, *names = sys.argv[1:]
    stages = [StageName(name) for name in names] or list(StageName)
    began = time.monotonic()
    work, needs = steps(Plain(environment), stages)
    run(work, needs)
    sys.stdout.write(json.dumps({"seconds": round(time.monotonic() - began, 1), "steps": len(work)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
