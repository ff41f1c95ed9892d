"""Cases 1 to 11: what AWS itself does to a caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slipway.decisions.access import WantedIdentity
from slipway.hooks.aws import AwsHook
from slipway.model.environment import AddonPhase
from slipway.model.errors import ErrorClass
from slipway.model.platform import Platform, Stack
from slipway.operators import access as access_module
from slipway.operators.backup import BackupOperator

from tests.rehearsal.faults.proxy import Rule, edited
from tests.rehearsal.faults.scoring import Ended, Part, attempt, none_of
from tests.rehearsal.faults.world import World
from tests.rehearsal.infrastructure.stage import Stage, access, acquire, addons, cluster, node_group, stack

LATER, UNKNOWN = ErrorClass.RETRY_LATER.value, ErrorClass.UNKNOWN_OUTCOME.value


def fault(service: str, operation: str | None = None, **action: Any) -> dict[str, Any]:
    """A rule of microburst."""
    return {"service": service, **({"operation": operation} if operation else {}), **action}


def error(code: str, **more: Any) -> dict[str, Any]:
    """What microburst answers with."""
    return {"error": {"code": code, "message": f"{code}, injected", **more}}


def part(
    world: World,
    what: str,
    ended: Ended,
    *,
    state: str,
    budget: int,
    deadline: float,
    wanted: str = "",
    met: int | None = None,
    platform: Platform | None = None,
) -> Part:
    """The marks of a task that ran under faults; ``met`` is how many requests met one."""
    met = world.burst.fired() if met is None else met
    if not met:
        state = "; ".join(filter(None, [state, "the fault was never met"]))
    world.burst.set()
    platform = platform or world.platform
    return Part(
        what,
        state if ended.ok or wanted else "; ".join(filter(None, [state, f"it failed: {ended.said[-600:]}"])),
        world.orphans(platform),
        world.duplicates(platform),
        (met, budget),
        (round(ended.seconds, 1), deadline),
        (ended.error_class, wanted),
        ended.said,
    )


def is_active(world: World) -> str:
    """What is wrong with the shared platform's cluster; empty when it is active."""
    found = world.cluster()
    return "" if found and found["status"] == "ACTIVE" else f"the cluster is {found['status'] if found else 'absent'}"


def creating(
    world: World, what: str, *rules: dict[str, Any], budget: int, deadline: float = 120, wanted: str = ""
) -> Part:
    """Create the cluster under faults, to its end."""
    world.drop_cluster()
    world.begin()
    world.burst.set(*rules)
    ended = attempt(world.task(cluster))
    return part(world, what, ended, state=is_active(world), budget=budget, deadline=deadline, wanted=wanted)


def refused(
    world: World, what: str, wanted: ErrorClass, *, says: str, budget: int = 1, inject: Callable[[], None]
) -> Part:
    """Create the cluster where that cannot succeed: one try, the right class, the action named; then it is mended."""
    world.drop_cluster()
    world.begin()
    inject()
    ended = attempt(world.task(cluster))
    met = world.burst.fired()
    state = none_of(
        (not ended.ok, "it did not fail"),
        (world.cluster() is None, "there is a cluster"),
        (ended.tries == 1 or wanted.rule.retry != "never", f"{ended.tries} tries of what cannot mend"),
        (says in ended.said, f"it does not say {says}"),
        ("Next: " in ended.said, "it names no next step"),
    )
    world.burst.set()
    world.begin()
    again = attempt(world.task(cluster))
    state = "; ".join(filter(None, [state, "" if again.ok else "once mended it still fails", is_active(world)]))
    return part(world, what, ended, state=state, budget=budget, deadline=120, wanted=wanted.value, met=met)


def case_1(world: World) -> list[Part]:
    """Throttled a few times."""
    parts = [
        creating(world, "EKS CreateCluster twice",
                 fault("eks", "CreateCluster", times=2, **error("ThrottlingException")), budget=2),
    ]  # fmt: skip
    world.burst.set(fault("ec2", times=2, **error("RequestLimitExceeded")))
    ended = attempt(world.task(lambda: node_group(world.groups()[0])))
    parts.append(part(world, "EC2 RequestLimitExceeded twice", ended, state=is_active(world), budget=2, deadline=120))
    world.burst.set(fault("cloudformation", times=2, **error("Throttling")))
    ended = attempt(world.task(lambda: stack(Stack.BUDGET)))
    parts.append(part(world, "CloudFormation twice", ended, state="", budget=2, deadline=120))
    return parts


def case_2(world: World) -> list[Part]:
    """Throttled for ever."""
    world.drop_cluster()
    world.begin()
    world.burst.set(fault("eks", "CreateCluster", **error("ThrottlingException")))
    ended = attempt(world.task(cluster))
    met = world.burst.fired()
    world.burst.set()
    state = none_of((not ended.ok, "it did not fail"), (world.cluster() is None, "there is a cluster"))
    again = attempt(world.task(cluster))
    state = "; ".join(filter(None, [state, "" if again.ok else "it does not go on afterwards", is_active(world)]))
    return [
        part(
            world,
            "EKS CreateCluster, until it ends",
            ended,
            state=state,
            budget=12,
            deadline=180,
            wanted=LATER,
            met=met,
        )
    ]


def case_3(world: World) -> list[Part]:
    """Bursts of 5xx."""
    flapping = fault("eks", sequence={"fail": 2, "pass": 1}, **error("ServerException", status=500))
    parts = []
    for what, make in (("access entries", access), ("add-ons", lambda: addons(AddonPhase.BEFORE_NODES))):
        for name in world.aws("eks").list_access_entries(clusterName=world.platform.cluster_name)["accessEntries"]:
            if what == "access entries":
                world.aws("eks").delete_access_entry(clusterName=world.platform.cluster_name, principalArn=name)
        world.burst.set(flapping)
        ended = attempt(world.task(make))
        state = is_active(world)
        parts.append(part(world, f"two of three EKS calls fail, {what}", ended, state=state, budget=200, deadline=120))
    return parts


def case_4(world: World) -> list[Part]:
    """A call that hangs."""
    parts = []
    with world.hurried(read_timeout=8):
        for operation in ("DescribeCluster", "CreateCluster"):
            hung = fault("eks", operation, times=1, timeout_ms=60000)
            parts.append(creating(world, f"EKS {operation}", hung, budget=1))
    return parts


def case_5(world: World) -> list[Part]:
    """Reset before the call landed."""
    return [
        creating(
            world,
            f"{service} {operation or 'any call'} twice",
            fault(service, operation, times=2, reset=True),
            budget=2,
        )
        for service, operation in (("eks", "CreateCluster"), ("cloudformation", None))
    ]


def case_6(world: World) -> list[Part]:
    """A named create that took effect while its answer was lost."""
    lost: dict[str, Any] = {"times": 1, "response": {"abort_frac": 0.3}}
    parts = [creating(world, "EKS CreateCluster", fault("eks", "CreateCluster", **lost), budget=1)]
    for make in (access, lambda: addons(AddonPhase.BEFORE_NODES)):
        attempt(world.task(make))
    world.burst.set(fault("eks", "CreateNodegroup", **lost))
    ended = attempt(world.task(lambda: node_group(world.groups()[0])))
    found = world.census(world.platform)["node group"]
    state = none_of((len(found) == 1, f"{len(found)} node groups"), (ended.tries == 1, f"{ended.tries} tries"))
    parts.append(part(world, "EKS CreateNodegroup", ended, state=state, budget=1, deadline=120))
    return parts


def case_7(world: World) -> list[Part]:
    """A create without a name that took effect while its answer was lost."""
    lost: dict[str, Any] = {"times": 1, "response": {"abort_frac": 0.3}}
    return [_network_made_once(world, lost), _identities_made_once(world), _snapshots_made_once(world, lost)]


def _network_made_once(world: World, lost: dict[str, Any]) -> Part:
    """VPC, addresses and NAT gateway come from one change set, asked for twice."""
    stage = Stage(world.environment())
    stage.environment.edit(lambda content: content["network"].update(nat="single"))
    stage.run(acquire())
    stage.run(stack(Stack.ENCRYPTION))
    platform = stage.environment.platform
    world.burst.set(
        fault("cloudformation", "CreateChangeSet", **lost), fault("cloudformation", "ExecuteChangeSet", **lost)
    )
    ended = attempt(lambda: stage.run(stack(Stack.NETWORK)).value)
    counted = {kind: len(ids) for kind, ids in world.census(platform).items()}
    wanted = {"VPC": 1, "elastic IP": 1, "NAT gateway": 1}
    state = none_of(*((counted[kind] == number, f"{counted[kind]} x {kind}") for kind, number in wanted.items()))
    what = "CreateChangeSet and ExecuteChangeSet of VPC, addresses and NAT gateway"
    return part(world, what, ended, state=state, budget=2, deadline=120, platform=platform)


def _identities_made_once(world: World) -> Part:
    eks, name = world.aws("eks"), world.platform.cluster_name
    for one in eks.list_pod_identity_associations(clusterName=name)["associations"]:
        eks.delete_pod_identity_association(clusterName=name, associationId=one["associationId"])
    rule = Rule(method="POST", path=r"/pod-identity-associations$", times=1, cut=0.3)
    world.rewriting(rule)
    wanted = WantedIdentity("kube-system", "probe", "VpcCniRoleArn")
    # None of the components that are deployed here needs one.
    with world.patched(access_module, pod_identities=lambda: [wanted]):
        ended = attempt(world.task(access))
    world.rewriting()
    state, what = is_active(world), "EKS CreatePodIdentityAssociation"
    return part(world, what, ended, state=state, budget=1, deadline=120, met=rule.fired)


def _snapshots_made_once(world: World, lost: dict[str, Any]) -> Part:
    ec2, platform = world.aws("ec2"), world.platform
    tags = {f"kubernetes.io/cluster/{platform.cluster_name}": "owned", "kubernetes.io/created-for/pvc/name": "data"}
    volume = ec2.create_volume(
        Size=1,
        AvailabilityZone="us-east-1a",
        TagSpecifications=[
            {"ResourceType": "volume", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        ],
    )["VolumeId"]
    world.burst.set(fault("ec2", "CreateSnapshot", **lost))
    ended = attempt(world.task(lambda: BackupOperator(task_id="backup")))
    mine = [{"Name": "volume-id", "Values": [volume]}]
    found = ec2.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
    made = part(world, "EC2 CreateSnapshot", ended, state="" if found else "no snapshot", budget=1, deadline=120)
    if len(found) > 1:
        made.duplicates.append(f"{len(found)} snapshots of one volume")
    for one in found:
        ec2.delete_snapshot(SnapshotId=one["SnapshotId"])
    ec2.delete_volume(VolumeId=volume)
    return made


def case_8(world: World) -> list[Part]:
    """Success cut short or corrupted."""
    cut = {"times": 2, "response": {"truncate_frac": 0.5}}
    corrupt = {"times": 2, "response": {"corrupt_bytes": 24}}
    parts = [
        creating(world, "EKS DescribeCluster cut short", fault("eks", "DescribeCluster", **cut), budget=2),
        creating(world, "EKS CreateCluster cut short", fault("eks", "CreateCluster", **cut), budget=2),
        creating(world, "EKS DescribeCluster corrupted", fault("eks", "DescribeCluster", **corrupt), budget=2),
        creating(world, "CloudFormation DescribeStacks cut short",
                 fault("cloudformation", "DescribeStacks", **cut), budget=2),
        creating(world, "CloudFormation DescribeStacks corrupted",
                 fault("cloudformation", "DescribeStacks", **corrupt), budget=2),
    ]  # fmt: skip
    world.task(cluster)()
    world.burst.set(fault("s3", "GetObject", times=1, response={"truncate_frac": 0.5}))
    ended = attempt(world.task(cluster))
    state = none_of((ended.ok, "it failed"), (ended.tries <= 2, f"{ended.tries} tries"))
    parts.append(part(world, "S3 GetObject of the lease cut short", ended, state=state, budget=1, deadline=120,
                      wanted=ended.error_class and UNKNOWN))  # fmt: skip
    return parts


def case_9(world: World) -> list[Part]:
    """Credentials that expire on the way."""
    wanted = ErrorClass.EXPIRED.value
    attempt(world.task(access))
    built = _counting_clients()
    world.burst.set(fault("eks", "ListAccessEntries", times=1, **error("ExpiredTokenException")))
    ended = attempt(world.task(access))
    renewed = built()
    state = none_of(
        (ended.ok, "it did not go on"), (ended.tries == 2, f"{ended.tries} tries"), (renewed, "not renewed")
    )
    parts = [part(world, "once, in the middle of a task", ended, state=state, budget=1, deadline=120, wanted=wanted)]
    world.burst.set(fault("eks", **error("ExpiredTokenException")))
    ended = attempt(world.task(access))
    state = none_of(
        (not ended.ok, "it did not fail"), (ended.tries == 2, f"{ended.tries} tries, renewed once is enough")
    )
    parts.append(part(world, "for good", ended, state=state, budget=2, deadline=120, wanted=wanted))
    return parts


def _counting_clients() -> Callable[[], bool]:
    """Whether clients were built anew since: those have the connection's credentials of then."""
    before = AwsHook.get_session
    count: list[int] = []

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        count.append(1)
        return before(self, *args, **kwargs)

    AwsHook.get_session = counted  # type: ignore[method-assign]

    def stop() -> bool:
        AwsHook.get_session = before  # type: ignore[method-assign]
        return bool(count)

    return stop


def case_10(world: World) -> list[Part]:
    """Denied, a bad signature, a clock that is off."""
    denied = fault("eks", "CreateCluster", **error("AccessDeniedException", status=403))
    return [
        refused(world, "EKS CreateCluster denied", ErrorClass.DENIED, says="CreateCluster",
                inject=lambda: world.burst.set(denied)),
        refused(world, "bad signature", ErrorClass.UNAUTHENTICATED, says="connection aws_default",
                inject=lambda: world.burst.preset("bad-signature", "eks")),
        refused(world, "clock off", ErrorClass.UNAUTHENTICATED, says="timedatectl",
                inject=lambda: world.burst.preset("clock-skew", "eks")),
    ]  # fmt: skip


def case_11(world: World) -> list[Part]:
    """A quota, a zone that EKS does not offer, no capacity for nodes."""
    parts = [
        refused(world, what, wanted, says=code,
                inject=lambda code=code: world.burst.set(fault("eks", "CreateCluster", **error(code))))  # type: ignore[misc]
        for what, wanted, code in (
            ("quota of clusters", ErrorClass.QUOTA, "ResourceLimitExceededException"),
            ("zone without EKS", ErrorClass.BAD_INPUT, "UnsupportedAvailabilityZoneException"),
        )
    ]  # fmt: skip
    return [*parts, _no_capacity(world)]


def _no_capacity(world: World) -> Part:
    """Nodes that AWS has no capacity for are asked for again later, up to the task's retries."""

    def change(parsed: dict[str, Any]) -> None:
        message = "Could not launch: we currently do not have sufficient t3.large capacity in us-east-1a"
        issue = {"code": "AsgInstanceLaunchFailures", "message": message, "resourceIds": ["asg"]}
        if "nodegroup" in parsed:
            parsed["nodegroup"].update(status="CREATE_FAILED", health={"issues": [issue]})

    for make in (access, lambda: addons(AddonPhase.BEFORE_NODES)):
        attempt(world.task(make))
    group = world.groups()[0]
    rule = Rule(method="GET", path=rf"/node-groups/{group['name']}$", rewrite=edited(change))
    world.rewriting(rule)
    ended = attempt(world.task(lambda: node_group(group)))
    world.rewriting()
    again = attempt(world.task(lambda: node_group(group)))
    found = world.census(world.platform)["node group"]
    state = none_of(
        (not ended.ok, "it did not fail"),
        (again.ok, "it does not go on afterwards"),
        (len(found) == 1, f"{len(found)} node groups"),
        ("sufficient t3.large capacity" in ended.said, "the reason is not shown"),
        (ended.tries == 3, f"{ended.tries} tries"),
    )
    wanted = ErrorClass.CAPACITY.value
    return part(
        world, "no capacity for nodes", ended, state=state, budget=3, deadline=180, wanted=wanted, met=ended.tries
    )
