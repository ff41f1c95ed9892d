"""Cases 21 to 25: what Kubernetes does to a caller, and rollouts that do not come up."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable
from typing import Any

from slipway.hooks import kubernetes_async
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import KubernetesApiError, connect
from slipway.model.errors import ErrorClass
from slipway.operators.component import DeployComponentOperator
from slipway.operators.teardown_cluster import RemoveComponentOperator

from tests.rehearsal.faults.cases_aws import part
from tests.rehearsal.faults.cases_states import scored
from tests.rehearsal.faults.proxy import Rule
from tests.rehearsal.faults.scoring import Ended, Part, attempt, none_of
from tests.rehearsal.faults.world import World

DEPLOYMENT = "/apis/apps/v1/namespaces/tiny/deployments/tiny"
APPLY = "application/apply-patch+yaml"


def deploy(world: World) -> Ended:
    """Deploy the component, by Airflow's rules."""
    return attempt(world.task(lambda: DeployComponentOperator(task_id="deploy", component=world.tiny)))


def ask(world: World, method: str, path: str, body: Any = None, kind: str = "application/json", **query: str) -> Any:
    """One request to the cluster past all faults; ``None`` for 404."""

    async def inside() -> Any:
        access = EksAccess.of(world.platform)
        async with connect(access, access.endpoint()) as api:
            try:
                return (await api.request(method, path, params=query, body=body, content_type=kind)).body
            except KubernetesApiError as error:
                if error.status == 404:
                    return None
                raise

    proxy = world.kubernetes()
    kept, proxy.rules = proxy.rules, []
    try:
        return asyncio.run(inside())
    finally:
        proxy.rules = kept


def is_up(world: World) -> str:
    """What is wrong with the component; empty when it is as its manifests say."""
    found = ask(world, "GET", DEPLOYMENT)
    ready = (found or {}).get("status", {}).get("availableReplicas", 0)
    return "" if ready == 2 else f"{ready} of 2 replicas are available"


def fresh(world: World) -> None:
    """A cluster with nodes, and nothing of the component on it."""
    if world.cluster() is None or not world.census(world.platform)["node group"]:
        world.restored()
    world.kubernetes().set()
    ask(world, "DELETE", "/api/v1/namespaces/tiny")
    world.until(lambda: ask(world, "GET", "/api/v1/namespaces/tiny") is None)
    ask(world, "DELETE", "/api/v1/namespaces/slipway-system")
    world.until(lambda: ask(world, "GET", "/api/v1/namespaces/slipway-system") is None)


def under(
    world: World, what: str, *rules: Rule, budget: int, deadline: float = 120, wanted: str = "", least: float = 0
) -> Part:
    """Deploy under faults of the API, to its end."""
    fresh(world)
    world.kubernetes().set(*rules)
    ended = deploy(world)
    met = sum(rule.fired for rule in rules)
    world.kubernetes().set()
    state = none_of((ended.seconds >= least, f"it did not wait: {ended.seconds:.1f} s"), (ended.tries == 1, "tries"))
    if not wanted:
        state = "; ".join(filter(None, [state, is_up(world)]))
    return part(world, what, ended, state=state, budget=budget, deadline=deadline, wanted=wanted, met=met)


def case_21(world: World) -> list[Part]:
    """Answers that ask for patience."""
    limit = {"message": "too many requests", "reason": "TooManyRequests", "headers": {"Retry-After": "2"}}
    etcd = {"message": "etcdserver: request timed out", "reason": "InternalError"}
    conflict = {"message": "the object has been modified; please apply your changes", "reason": "Conflict"}
    return [
        under(world, "429 with Retry-After: 2", Rule("PATCH", times=2, status=429, **limit), budget=2, least=2),  # type: ignore[arg-type]
        under(world, "500 etcd timeout", Rule("PATCH", times=3, status=500, **etcd), budget=3),  # type: ignore[arg-type]
        under(world, "500 on reads", Rule("GET", times=4, status=500, **etcd), budget=4),  # type: ignore[arg-type]
        under(world, "409 conflict", Rule("PATCH", times=3, status=409, **conflict), budget=3),  # type: ignore[arg-type]
    ]


def case_22(world: World) -> list[Part]:
    """An API that is away, half there, or slow; lists that expire."""
    gone = {"message": "The provided continue parameter is too old", "reason": "Expired"}
    parts = [
        under(world, "reset", Rule(times=4, reset=True), budget=4),
        under(world, "answer cut in the middle", Rule(times=4, cut=0.5), budget=4),
        under(world, "slow", Rule(delay=0.3), budget=400, deadline=180),
    ]
    with world.patched(kubernetes_async, REQUEST_TIMEOUT_SECONDS=2):
        parts.append(under(world, "half-open", Rule(times=2, hang=True), budget=2))
    with world.patched(kubernetes_async, PAGE=2):
        rule = Rule("GET", path="continue=", times=2, status=410, **gone)  # type: ignore[arg-type]
        deploy(world)
        world.kubernetes().set(rule)
        ended = attempt(lambda: _count_pods(world))
        world.kubernetes().set()
        state = none_of((ended.value == _count_pods(world), "pods are missing from the list"))
        parts.append(part(world, "410 Gone in a list", ended, state=state, budget=2, deadline=120, met=rule.fired))
    return [*parts, _partition(world)]


def _count_pods(world: World) -> int:
    async def inside() -> int:
        access = EksAccess.of(world.platform)
        async with connect(access, access.endpoint()) as api:
            return len(await api.items("/api/v1/pods"))

    return asyncio.run(inside())


def _partition(world: World) -> Part:
    """Nothing gets through until the task gives up; then it goes on."""
    fresh(world)
    rule = Rule(reset=True)
    world.kubernetes().set(rule)
    ended = deploy(world)
    world.kubernetes().set()
    state = none_of((not ended.ok, "it did not fail"))
    again = deploy(world)
    state = "; ".join(
        filter(None, [state, "" if again.ok else f"it does not go on: {again.said[-300:]}", is_up(world)])
    )
    wanted = ErrorClass.RETRY_LATER.value
    return part(
        world, "away until the task ends", ended, state=state, budget=60, deadline=180, wanted=wanted, met=rule.fired
    )


def case_23(world: World) -> list[Part]:
    """Rollouts that do not come up."""
    parts = [
        _never_ready(world, "image that does not exist", _bad_image, "does-not-exist", ErrorClass.STUCK),
        _never_ready(world, "quota of the namespace", _no_quota, "exceeded quota", ErrorClass.QUOTA),
    ]
    webhook = {
        "status": 500,
        "reason": "InternalError",
        "message": 'Internal error occurred: failed calling webhook "policy.example.com": connection refused',
    }
    parts.append(under(world, "webhook away, twice", Rule("PATCH", skip=3, times=2, **webhook), budget=2))  # type: ignore[arg-type]
    fresh(world)
    rule = Rule("PATCH", path="/deployments/tiny", **webhook)  # type: ignore[arg-type]
    world.kubernetes().set(rule)
    ended = deploy(world)
    world.kubernetes().set()
    rest = ask(world, "GET", "/api/v1/namespaces/tiny/configmaps/settings")
    again = deploy(world)
    state = none_of(
        (not ended.ok, "it did not fail"),
        ("policy.example.com" in ended.said, "the webhook is not named"),
        (rest is not None, "what came before is gone"),
        (again.ok, "it does not go on afterwards"),
    )
    state = "; ".join(filter(None, [state, is_up(world)]))
    wanted = ErrorClass.WEBHOOK.value
    parts.append(
        part(world, "webhook away", ended, state=state, budget=18, deadline=120, wanted=wanted, met=rule.fired)
    )
    return parts


def _never_ready(
    world: World, what: str, spoil: Callable[[World], Callable[[], None]], says: str, wanted: ErrorClass
) -> Part:
    fresh(world)
    deploy(world)
    component = world.include / "manifests/data-layer/tiny/component.yaml"
    with world.edited(component, lambda content: content.update(timeout="8s")):
        mend = spoil(world)
        try:
            ended = deploy(world)
        finally:
            mend()
    rest = ask(world, "GET", "/api/v1/namespaces/tiny/services/tiny")
    again = deploy(world)
    state = none_of(
        (not ended.ok, "it did not fail"),
        (says in ended.said, f"it does not say {says}"),
        (rest is not None, "the rest was touched"),
        (again.ok, f"once mended it still fails: {again.said[-300:]}"),
    )
    return scored(world, what, ended, "; ".join(filter(None, [state, is_up(world)])), wanted=wanted.value)


def _bad_image(world: World) -> Callable[[], None]:
    path = world.include / "manifests/data-layer/tiny/deployment.yaml"
    before = path.read_text()
    path.write_text(before.replace(":1.31.0", ":does-not-exist"))
    return lambda: path.write_text(before) and None  # type: ignore[func-returns-value]


def _no_quota(world: World) -> Callable[[], None]:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "2"}}}
    where = "/api/v1/namespaces/tiny/resourcequotas"
    ask(world, "POST", where, quota)
    path = world.include / "manifests/data-layer/tiny/deployment.yaml"
    before = path.read_text()
    path.write_text(before.replace("replicas: 2", "replicas: 3"))

    def mend() -> None:
        path.write_text(before)
        ask(world, "DELETE", f"{where}/none")

    return mend


def case_24(world: World) -> list[Part]:
    """Nodes and pods that go; budgets that keep them."""
    fresh(world)
    deploy(world)
    admin = f"{world.cloud.admin_url}/clusters/us-east-1.{world.platform.cluster_name}"
    made = _admin(f"{admin}/faults", {"kind": "node-gone"})
    ended = deploy(world)
    world.until(lambda: not is_up(world))
    parts = [scored(world, "node gone", ended, is_up(world))]
    _admin(f"{admin}/faults/{made['id']}", None, "DELETE")
    for pod in ask(world, "GET", "/api/v1/namespaces/tiny/pods")["items"][:1]:
        ask(world, "DELETE", f"/api/v1/namespaces/tiny/pods/{pod['metadata']['name']}")
    ended = deploy(world)
    world.until(lambda: not is_up(world))
    parts.append(scored(world, "pod gone", ended, is_up(world)))
    return [*parts, _budget_keeps(world)]


def _admin(url: str, body: Any, method: str = "POST") -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
        return json.loads(answer.read() or b"{}")


def _budget_keeps(world: World) -> Part:
    """An eviction that a budget refuses is a dependency that is still there, and nothing is forced."""
    budget = {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "tiny"},
        "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app.kubernetes.io/name": "tiny"}}},
    }  # fmt: skip
    where = "/apis/policy/v1/namespaces/tiny/poddisruptionbudgets"
    ask(world, "POST", where, budget)
    world.until(lambda: "currentHealthy" in (ask(world, "GET", f"{where}/tiny").get("status") or {}))
    pods = [one["metadata"]["name"] for one in ask(world, "GET", "/api/v1/namespaces/tiny/pods")["items"]]

    def evict() -> Any:
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pods[0], "namespace": "tiny"}}
        return ask(world, "POST", f"/api/v1/namespaces/tiny/pods/{pods[0]}/eviction", body)

    with world.patched(kubernetes_async, ATTEMPTS=2):
        ended = attempt(evict)
    left = [one["metadata"]["name"] for one in ask(world, "GET", "/api/v1/namespaces/tiny/pods")["items"]]
    ask(world, "DELETE", f"{where}/tiny")
    state = none_of((not ended.ok, "it was evicted"), (set(pods) <= set(left), "a pod is gone"))
    wanted = ErrorClass.DEPENDENCY.value
    what = "eviction that a disruption budget refuses"
    return part(world, what, ended, state=state, budget=3, deadline=120, wanted=wanted, met=ended.tries)


def case_25(world: World) -> list[Part]:
    """What a finalizer keeps."""
    fresh(world)
    deploy(world)
    keep = {"metadata": {"finalizers": ["example.com/keep"]}}
    ask(world, "PATCH", DEPLOYMENT, keep, "application/merge-patch+json")
    component = world.include / "manifests/data-layer/tiny/component.yaml"
    with world.edited(component, lambda content: content.update(timeout="5s")):
        ended = attempt(world.task(lambda: RemoveComponentOperator(task_id="tiny", component=world.tiny)))
    told = json.dumps(ended.value or "")
    state = none_of(
        ("example.com/keep" in told, f"the finalizer is not named: {told[:200]}"),
        (ask(world, "GET", DEPLOYMENT) is not None, "it was forced"),
    )
    parts = [scored(world, "object of a component, teardown", ended, state)]
    ask(world, "DELETE", "/api/v1/namespaces/tiny")
    with world.patched(kubernetes_async, ATTEMPTS=2):
        ended = deploy(world)
    gone = {"metadata": {"finalizers": None}}
    ask(world, "PATCH", DEPLOYMENT, gone, "application/merge-patch+json")
    world.until(lambda: ask(world, "GET", "/api/v1/namespaces/tiny") is None)
    again = deploy(world)
    state = none_of((not ended.ok, "it did not fail"), (again.ok, "it does not go on afterwards"))
    wanted = ErrorClass.DEPENDENCY.value
    state = "; ".join(filter(None, [state, is_up(world)]))
    parts.append(part(world, "namespace that is Terminating, deploy", ended, state=state, budget=3, deadline=180,
                      wanted=wanted, met=ended.tries))  # fmt: skip
    return parts
