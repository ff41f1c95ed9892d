"""Cases 12 to 20: states that resources do not leave, runs that die or meet, and what was there before us."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from asgiref.sync import SyncToAsync
from slipway.hooks import aws as aws_hooks
from slipway.hooks.drift import StackDriftHook
from slipway.hooks.kubernetes import EksAccess
from slipway.model.environment import AddonPhase
from slipway.model.errors import ErrorClass
from slipway.model.platform import Stack
from slipway.operators import cluster as cluster_module
from slipway.operators import stack as stack_module
from slipway.operators import teardown_aws
from slipway.operators.preflight import PreflightOperator

from tests.rehearsal.day2.seeds import left_by_controllers, network_of
from tests.rehearsal.day2.taking import Teardown
from tests.rehearsal.faults.cases_aws import error, fault, is_active, part
from tests.rehearsal.faults.proxy import Rule, edited
from tests.rehearsal.faults.scoring import Ended, Part, attempt, none_of
from tests.rehearsal.faults.world import World
from tests.rehearsal.infrastructure.stage import Stage, access, acquire, addons, cluster, node_group, stack

CHILDREN_SECONDS = 120.0
FOREIGN, STUCK = ErrorClass.FOREIGN.value, ErrorClass.STUCK.value


def scored(
    world: World,
    what: str,
    ended: Ended,
    state: str,
    *,
    budget: int = 1,
    deadline: float = 60,
    wanted: str = "",
    **more: Any,
) -> Part:
    """The marks of a task whose fault is a state: what counts are its tries."""
    return part(
        world, what, ended, state=state, budget=budget, deadline=deadline, wanted=wanted, met=ended.tries, **more
    )


# 12


def case_12(world: World) -> list[Part]:
    """A cluster or node group that stays CREATING or turns FAILED."""
    name = world.platform.cluster_name
    return [
        _in_state(world, "cluster stays CREATING", rf"^/clusters/{name}$", "cluster", "CREATING", limit=3),
        _in_state(world, "cluster turns FAILED", rf"^/clusters/{name}$", "cluster", "FAILED", limit=60),
        _group_in_state(world),
    ]


def _state_rule(path: str, key: str, status: str) -> Rule:
    def change(parsed: dict[str, Any]) -> None:
        issue = {"code": "InternalFailure" if key == "other" else "Ec2SubnetMissing", "message": "injected"}
        if key in parsed:
            parsed[key].update(status=status, health={"issues": [issue | {"resourceIds": ["subnet-1"]}]})

    return Rule(method="GET", path=path, rewrite=edited(change))


def _in_state(world: World, what: str, path: str, key: str, status: str, *, limit: float) -> Part:
    world.drop_cluster()
    world.begin()
    world.task(cluster)()
    world.rewriting(_state_rule(path, key, status))
    with world.patched(cluster_module, LIMIT=timedelta(seconds=limit)):
        ended = attempt(world.task(cluster))
    world.rewriting()
    again = attempt(world.task(cluster))
    state = none_of(
        (not ended.ok, "it did not fail"),
        (status in ended.said, f"it does not say {status}"),
        (again.ok, "it does not go on afterwards"),
    )
    return scored(world, what, ended, "; ".join(filter(None, [state, is_active(world)])), wanted=STUCK)


def _group_in_state(world: World) -> Part:
    group = _whole_cluster(world)
    rule = _state_rule(rf"/node-groups/{group['name']}$", "nodegroup", "DELETE_FAILED")
    world.rewriting(rule)
    ended = attempt(world.task(lambda: node_group(group)))
    world.rewriting()
    again = attempt(world.task(lambda: node_group(group)))
    state = none_of(
        (not ended.ok, "it did not fail"),
        ("Ec2SubnetMissing" in ended.said, "the reason is not shown"),
        (again.ok, "it does not go on afterwards"),
    )
    return scored(world, "node group DELETE_FAILED", ended, state, wanted=STUCK)


def _whole_cluster(world: World) -> dict[str, Any]:
    """The shared platform with all of its cluster; its first node group."""
    for make in (cluster, access, lambda: addons(AddonPhase.BEFORE_NODES)):
        attempt(world.task(make))
    group = world.groups()[0]
    attempt(world.task(lambda: node_group(group)))
    return group


# 13


def case_13(world: World) -> list[Part]:
    """The worker dies at a mutating call, after it took effect and before its answer; every call in turn."""
    parts = []
    for what, prepare, work in (
        ("cluster", world.drop_cluster, [cluster]),
        ("access", lambda: _without_access(world), [access]),
        ("add-ons and nodes", lambda: _without_nodes(world),
         [lambda: addons(AddonPhase.BEFORE_NODES), lambda: node_group(world.groups()[0])]),
    ):  # fmt: skip
        parts.append(_killed_at_each(world, what, prepare, work))
    return parts


def _without_access(world: World) -> None:
    eks, name = world.aws("eks"), world.platform.cluster_name
    for entry in eks.list_access_entries(clusterName=name)["accessEntries"]:
        eks.delete_access_entry(clusterName=name, principalArn=entry)
    for one in eks.list_pod_identity_associations(clusterName=name)["associations"]:
        eks.delete_pod_identity_association(clusterName=name, associationId=one["associationId"])


def _without_nodes(world: World) -> None:
    eks, name = world.aws("eks"), world.platform.cluster_name
    for group in eks.list_nodegroups(clusterName=name)["nodegroups"]:
        eks.delete_nodegroup(clusterName=name, nodegroupName=group)
    world.until(lambda: not eks.list_nodegroups(clusterName=name)["nodegroups"])
    for addon in eks.list_addons(clusterName=name)["addons"]:
        eks.delete_addon(clusterName=name, addonName=addon)
    world.until(lambda: not eks.list_addons(clusterName=name)["addons"])


def _killed_at_each(world: World, what: str, prepare: Callable[[], None], work: list[Callable[[], Any]]) -> Part:
    killed, complaints = 0, []
    slowest = Ended(ok=True)
    for call in range(1, 40):
        prepare()
        world.begin()
        if not _killed(world, work, call):
            break
        killed += 1
        world.calm()
        for make in work:
            ended = attempt(world.task(make))
            slowest.tries = max(slowest.tries, ended.tries)
            slowest.seconds = max(slowest.seconds, ended.seconds)
            if not ended.ok:
                complaints.append(f"call {call}: {ended.said[-200:]}")
        complaints += [f"call {call}: {one}" for one in world.duplicates(world.platform)]
    complaints += [] if killed else ["no call was ever reached"]
    return scored(world, f"{what}: killed at {killed} calls", slowest, "; ".join(complaints))


def _killed(world: World, work: list[Callable[[], Any]], call: int) -> bool:
    """Run tasks in a process and kill it when its call has taken effect; whether there was such a call."""
    reached, release = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        release.wait(30)

    world.rewriting(Rule(mutating=True, skip=call - 1, times=1, after=hold))
    process = os.fork()
    if process == 0:
        _child(lambda: [world.task(make)() for make in work])
    while not reached.wait(0.02):
        if os.waitpid(process, os.WNOHANG)[0]:
            return False
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    release.set()
    return True


def _child(work: Callable[[], Any], result: Path | None = None) -> None:
    """The life of a forked worker: connections of its own, and no way back."""
    code = 1
    try:
        aws_hooks.forget_clients()
        EksAccess._tokens.clear()
        # Its thread did not come along, and would be waited for.
        SyncToAsync.single_thread_executor = ThreadPoolExecutor(max_workers=1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        found = work()
        if result is not None:
            result.write_text(json.dumps(found))
        code = 0
    finally:
        os._exit(code)


# 14


def case_14(world: World) -> list[Part]:
    """Delete during create, twice, and of nothing."""
    world.drop_cluster()
    world.begin()
    world.stage().run(cluster(), run_id=world.run_id, stop_at="ClusterTrigger")
    taking = _teardown(world)
    during = attempt(lambda: taking.step("infrastructure.cluster"))
    state = none_of((during.ok, "it failed"), (world.cluster() is None, "the cluster is still there"))
    parts = [scored(world, "cluster deleted while it is created", during, state)]
    for what in ("deleted again", "nothing to delete, nodes"):
        task = "infrastructure.cluster" if "again" in what else "infrastructure.node_groups"
        ended = attempt(lambda task=task: taking.step(task))  # type: ignore[misc]
        parts.append(scored(world, what, ended, "" if ended.ok else "it failed"))
    world.begin()
    world.task(cluster)()
    attempt(world.task(access))
    attempt(world.task(lambda: addons(AddonPhase.BEFORE_NODES)))
    world.stage().run(node_group(world.groups()[0]), run_id=world.run_id, stop_at="NodeGroupTrigger")
    ended = attempt(lambda: _teardown(world).step("infrastructure.node_groups"))
    left = world.census(world.platform)["node group"]
    parts.append(scored(world, "node group deleted while it is created", ended, "; ".join(left)))
    return parts


def _teardown(world: World, **params: Any) -> Teardown:
    """A teardown of the shared platform, as a run of its own."""
    world.begin()
    return Teardown(world.stage().environment, run_id=world.run_id, **params)


# 15


class _Aws:
    """What seeds ask of the cloud."""

    def __init__(self, world: World) -> None:
        self.client = world.aws


def case_15(world: World) -> list[Part]:
    """Leftovers that hold others: ours go, others' are named and left."""
    world.drop_cluster()
    world.begin()
    ec2 = world.aws("ec2")
    made = left_by_controllers(_Aws(world), world.platform)  # type: ignore[arg-type]
    held = error("DependencyViolation", status=400)
    world.burst.set(fault("ec2", "DeleteSecurityGroup", times=2, **held), fault("ec2", "DeleteVolume", times=1, **held))
    ended = attempt(lambda: _teardown(world).step("infrastructure.left_behind"))
    groups = {one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]}
    still = [one for one in made if one in groups]
    parts = [part(world, "DependencyViolation three times", ended, state="; ".join(still), budget=3, deadline=120)]

    group = ec2.create_security_group(
        GroupName="k8s-left", Description="left", VpcId=network_of(world.platform)["VpcId"]
    )["GroupId"]
    ec2.create_tags(Resources=[group], Tags=[{"Key": "elbv2.k8s.aws/cluster", "Value": world.platform.cluster_name}])
    world.burst.set(fault("ec2", "DeleteSecurityGroup", **held))
    with world.patched(teardown_aws, STRAYS_LIMIT=timedelta(seconds=4)):
        ended = attempt(lambda: _teardown(world).step("infrastructure.left_behind"))
    met = world.burst.fired()
    named = group in json.dumps(ended.value or "")
    world.burst.set()
    attempt(lambda: _teardown(world).step("infrastructure.left_behind"))
    state = none_of((named, "the group it could not delete is not named"))
    parts.append(part(world, "DependencyViolation for ever", ended, state=state, budget=40, deadline=120, met=met))
    return [*parts, _others_interface(world)]


def _others_interface(world: World) -> Part:
    """Somebody else's interface in our subnet keeps the network; it is named and left."""
    ec2 = world.aws("ec2")
    subnet = network_of(world.platform)["PrivateSubnetIds"].split(",")[0]
    theirs = ec2.create_network_interface(SubnetId=subnet, Description="theirs")["NetworkInterface"][
        "NetworkInterfaceId"
    ]
    ended = attempt(lambda: _teardown(world).step("infrastructure.network"))
    there = ec2.describe_network_interfaces(NetworkInterfaceIds=[theirs])["NetworkInterfaces"]
    state = none_of(
        (not ended.ok, "it did not refuse"),
        (bool(there), "it deleted somebody else's interface"),
        (theirs in ended.said, "it does not name the interface"),
        (world.stack_status(world.platform, Stack.NETWORK).endswith("COMPLETE"), "the network was touched"),
    )
    ec2.delete_network_interface(NetworkInterfaceId=theirs)
    return scored(world, "another's interface in our subnet", ended, state, wanted=FOREIGN)


# 16


def case_16(world: World) -> list[Part]:
    """Stacks that failed, and stacks that stay in progress."""
    stage = Stage(world.environment())
    platform, logs = stage.environment.platform, world.aws("logs")
    for make in (acquire, lambda: stack(Stack.ENCRYPTION)):
        stage.run(make())
    taken = f"/aws/eks/{platform.name}/cluster"
    logs.create_log_group(logGroupName=taken)
    ended = attempt(lambda: stage.run(stack(Stack.AUDIT)).value)
    state = none_of(
        (not ended.ok, "it did not fail"), ("ControlPlaneLogGroup" in ended.said, "it does not name what failed")
    )
    logs.delete_log_group(logGroupName=taken)
    again = attempt(lambda: stage.run(stack(Stack.AUDIT)).value)
    mended = none_of((again.ok, "once mended it still fails"))
    state = "; ".join(filter(None, [state, mended]))
    parts = [scored(world, "ROLLBACK_COMPLETE", ended, state, wanted=FOREIGN, platform=platform)]
    name = platform.stack_name(Stack.AUDIT)
    for what, status, limit in (
        ("stays UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", 3),
        ("DELETE_FAILED", "DELETE_FAILED", 60),
    ):
        body = rf"Action=DescribeStacks&.*{name}|{name}.*Action=DescribeStacks\b"
        world.rewriting(Rule(body=body, rewrite=_status_of_stack(status)))
        with world.patched(stack_module, STACK_LIMIT=timedelta(seconds=limit)):
            ended = attempt(lambda: stage.run(stack(Stack.AUDIT)).value)
        world.rewriting()
        again = attempt(lambda: stage.run(stack(Stack.AUDIT)).value)
        state = none_of(
            (not ended.ok, "it did not fail"),
            (again.ok, "it does not go on afterwards"),
        )
        parts.append(scored(world, what, ended, state, wanted=STUCK, platform=platform))
    return parts


def _status_of_stack(status: str) -> Callable[[bytes], bytes]:
    def rewrite(content: bytes) -> bytes:
        return re.sub(rb"<StackStatus>\w+</StackStatus>", f"<StackStatus>{status}</StackStatus>".encode(), content)

    return rewrite


# 17


def case_17(world: World) -> list[Part]:
    """Deleted behind our back."""
    group = _whole_cluster(world)
    _without_access(world)
    parts = []
    ended = attempt(world.task(access))
    entries = world.aws("eks").list_access_entries(clusterName=world.platform.cluster_name)["accessEntries"]
    parts.append(scored(world, "access entries", ended, "" if entries else "no entry was made again"))
    _without_nodes(world)
    ended = attempt(world.task(lambda: addons(AddonPhase.BEFORE_NODES)))
    found = world.aws("eks").list_addons(clusterName=world.platform.cluster_name)["addons"]
    parts.append(scored(world, "add-ons", ended, none_of(("vpc-cni" in found, f"only {found}"))))
    ended = attempt(world.task(lambda: node_group(group)))
    left = world.census(world.platform)["node group"]
    parts.append(scored(world, "node group", ended, none_of((left == [group["name"]], f"there is {left}"))))
    return [*parts, _route_is_found(world)]


def _route_is_found(world: World) -> Part:
    """CloudFormation holds on to what it made, so a route is found and named and not made again by a deploy."""
    ec2, platform = world.aws("ec2"), world.platform
    mine = [{"Name": "tag:slipway:platform", "Values": [platform.name]}]
    tables = ec2.describe_route_tables(Filters=mine)["RouteTables"]
    table, route = next(
        (one["RouteTableId"], route)
        for one in tables
        for route in one["Routes"]
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("NatGatewayId")
    )
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")

    def look() -> list[str]:
        hook = StackDriftHook(platform)
        started = hook.start()
        world.until(lambda: not hook.running(started))
        return [str(one) for one in hook.findings(platform.stack_name(Stack.NETWORK))]

    ended = attempt(look)
    named = any("Route" in one for one in ended.value or [])
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=route["NatGatewayId"])
    return scored(world, "route, found by platform_drift", ended, none_of((named, f"not named: {ended.value}")))


# 18


def case_18(world: World) -> list[Part]:
    """Something of our name that is not ours."""
    stage = Stage(world.environment())
    platform, eks = stage.environment.platform, world.aws("eks")
    stage.run(acquire())
    network = network_of(world.platform)["PrivateSubnetIds"].split(",")
    role = _role(world)
    eks.create_cluster(
        name=platform.cluster_name, roleArn=role, resourcesVpcConfig={"subnetIds": network}, tags={"owner": "them"}
    )
    world.front.seen.clear()
    ended = attempt(lambda: stage.run(cluster()).value)
    sent = [one for one in world.front.seen if one[0] != "GET" and "clusters" in one[1]]
    state = none_of(
        (not ended.ok, "it did not refuse"),
        (world.cluster(platform.cluster_name) is not None, "it is gone"),
        (not sent, f"it sent {sent}"),
        (platform.cluster_name in ended.said, "it does not name it"),
    )
    parts = [scored(world, "cluster, deploy", ended, state, wanted=FOREIGN, platform=platform)]
    taking = Teardown(stage.environment, run_id="manual__1")
    world.free(platform)
    world.front.seen.clear()
    ended = attempt(lambda: taking.step("infrastructure.cluster"))
    sent = [one for one in world.front.seen if one[0] == "DELETE"]
    there = world.cluster(platform.cluster_name)
    state = none_of(
        (there is not None and there["status"] != "DELETING", "it was deleted"), (not sent, f"it sent {sent}")
    )
    parts.append(scored(world, "cluster, teardown", ended, state, platform=platform))
    world.until(lambda: world.cluster(platform.cluster_name)["status"] == "ACTIVE")  # type: ignore[index]
    eks.delete_cluster(name=platform.cluster_name)
    template = json.dumps({"Resources": {"Group": {"Type": "AWS::Logs::LogGroup"}}})
    name = platform.stack_name(Stack.BUDGET)
    world.aws("cloudformation").create_stack(StackName=name, TemplateBody=template)
    world.free(platform)
    ended = attempt(lambda: stage.run(stack(Stack.BUDGET)).value)
    state = none_of((not ended.ok, "it did not refuse"), (name in ended.said, "it does not name it"))
    world.aws("cloudformation").delete_stack(StackName=name)
    parts.append(scored(world, "stack, deploy", ended, state, wanted=FOREIGN, platform=platform))
    return parts


def _role(world: World) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(world.aws("iam").create_role(RoleName="theirs", AssumeRolePolicyDocument=trust)["Role"]["Arn"])


# 19


def case_19(world: World) -> list[Part]:
    """Two runs at once, on a slow AWS."""
    world.drop_cluster()
    world.begin()
    world.burst.set(fault("eks", latency=300), fault("s3", latency=200))
    began = time.monotonic()
    outcomes = _together(world, ["one", "two"])
    seconds = time.monotonic() - began
    world.burst.set()
    won = [one for one in outcomes if one["ok"]]
    lost = [one for one in outcomes if not one["ok"]]
    state = none_of(
        (len(won) == 1, f"{len(won)} runs went through"),
        (all("is held by" in one["said"] or "went to" in one["said"] for one in lost), f"the other says {lost}"),
    )
    ended = Ended(ok=True, tries=max((one["tries"] for one in lost), default=0), seconds=seconds)
    made = scored(
        world, "acquire, then cluster, twice at once", ended, "; ".join(filter(None, [state, is_active(world)]))
    )
    found = lost[0]["class"] if lost else ""
    made.error_class = (found, ErrorClass.LOST_LEASE.value)
    return [made]


def _together(world: World, names: list[str]) -> list[dict[str, Any]]:
    files = {name: world.include.parent / f"{world.run_id}-{name}.json" for name in names}
    processes = []
    for name, file in files.items():
        process = os.fork()
        if process == 0:
            _child(lambda name=name: _one_of_two(world, name), file)  # type: ignore[misc]
        processes.append(process)
    ended = time.monotonic() + CHILDREN_SECONDS
    for process in processes:
        while not os.waitpid(process, os.WNOHANG)[0]:
            if time.monotonic() > ended:
                for one in processes:
                    with suppress(ProcessLookupError):
                        os.kill(one, signal.SIGKILL)
                raise TimeoutError(f"two runs at once did not end within {CHILDREN_SECONDS:.0f} s")
            time.sleep(0.05)
    return [json.loads(file.read_text()) for file in files.values()]


def _one_of_two(world: World, name: str) -> dict[str, Any]:
    tries, ended = 0, Ended()
    for make in (acquire, cluster):
        ended = attempt(lambda make=make: world.stage().run(make(), run_id=f"{world.run_id}-{name}").value)  # type: ignore[misc]
        tries = max(tries, ended.tries)
        if not ended.ok:
            break
    return {"ok": ended.ok, "tries": tries, "said": ended.said, "class": ended.error_class}


# 20

_BAD: dict[str, str | Callable[[dict[str, Any]], Any]] = {
    "CIDR that is none": lambda content: content["network"].update(cidr="10.0.0.0/99"),
    "CIDR with host bits": lambda content: content["network"].update(cidr="10.0.0.1/16"),
    "unknown key": lambda content: content.update(nodegroups={}),
    "long name": lambda content: content.update(name="x" * 90),
    "version 1.99": lambda content: content["cluster"].update(version="1.99"),
    "min above max": lambda content: content["node_groups"]["primary"].update(min=9, desired=2, max=3),
    "one zone": lambda content: content["network"].update(zones=1),
    "no account": lambda content: content.pop("account"),
    "YAML alias bomb": "a: &a [x, x, x, x, x, x, x, x]\n"
    + "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n" for before, name in pairwise("abcdefghi")),
    "duplicate key": "name: x\nname: y\n",
    "not YAML": "name: [\n",
    "empty": "",
}


def case_20(world: World) -> list[Part]:
    """Input that is refused before the first call."""
    return [_refused_input(world, what, bad) for what, bad in _BAD.items()]


def _refused_input(world: World, what: str, bad: str | Callable[[dict[str, Any]], Any]) -> Part:
    environment = world.environment()
    if callable(bad):
        environment.edit(bad)
    else:
        environment.path.write_text(bad)
    before = world.burst.seen()
    stage = Stage(environment)
    ended = attempt(lambda: stage.run(PreflightOperator(task_id="preflight")).value)
    calls = world.burst.seen() - before
    environment.path.unlink()
    state = none_of(
        (not ended.ok, "it was accepted"),
        (calls == 0, f"{calls} calls were made"),
        (environment.path.name in ended.said, "the file is not named"),
        ("Traceback" not in ended.said, "a traceback"),
    )
    classes = (ended.error_class, ErrorClass.BAD_INPUT.value)
    return Part(what, state, [], [], (ended.tries, 1), (round(ended.seconds, 1), 60), classes, ended.said)
