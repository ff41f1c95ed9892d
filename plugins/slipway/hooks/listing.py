"""Lists of any length, a page at a time, decoded into the few fields that are wanted.

Thirty thousand pods are 150 MB of JSON. A page of five hundred is decoded straight into small structures, judged and
forgotten, so that memory does not grow with the cluster. The structures hold no cycles, and the garbage collector is
told to leave them alone: it would look at all of them, and at everything else the process has, again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from slipway.hooks.kubernetes_async import PAGE, KubernetesApi, KubernetesApiError

T = TypeVar("T")


class Owner(msgspec.Struct, frozen=True, gc=False):
    """An owner reference."""

    kind: str
    name: str
    controller: bool = False


class Meta(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Metadata of an object."""

    name: str
    creation_timestamp: datetime | None = None
    namespace: str = ""
    labels: dict[str, str] = {}
    owner_references: list[Owner] = []
    deletion_timestamp: datetime | None = None

    @property
    def controller(self) -> Owner | None:
        """Whoever made and keeps it."""
        return next((one for one in self.owner_references if one.controller), None)


class Named(msgspec.Struct, frozen=True, gc=False):
    """An object of which only the metadata matters."""

    metadata: Meta


class Condition(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A condition."""

    type: str
    status: str
    last_transition_time: datetime | None = None
    reason: str = ""
    message: str = ""


class Resources(msgspec.Struct, frozen=True, gc=False):
    """Requests of a container."""

    requests: dict[str, str | int | float] = {}


class Container(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """A container's requests."""

    name: str
    resources: Resources = Resources()
    restart_policy: str = ""


class PodSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What a pod asks of a node."""

    containers: list[Container]
    init_containers: list[Container] = []
    node_name: str = ""
    node_selector: dict[str, str] = {}


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """Why a container waits."""

    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""


class State(msgspec.Struct, frozen=True, gc=False):
    """State of a container."""

    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Status of a container."""

    name: str
    restart_count: int = 0
    state: State = State()
    last_state: State = State()


class PodStatus(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """Status of a pod."""

    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    start_time: datetime | None = None
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []
    init_container_statuses: list[ContainerStatus] = []


class Pod(msgspec.Struct, frozen=True, gc=False):
    """A pod."""

    metadata: Meta
    spec: PodSpec
    status: PodStatus = PodStatus()

    def condition(self, kind: str) -> Condition | None:
        """A condition of the pod."""
        return next((one for one in self.status.conditions if one.type == kind), None)

    @property
    def workload(self) -> tuple[str, str]:
        """Kind and name of what it belongs to: a Deployment rather than its ReplicaSet."""
        owner = self.metadata.controller
        if owner is None:
            return "Pod", self.metadata.name
        suffix = self.metadata.labels.get("pod-template-hash")
        if owner.kind == "ReplicaSet" and suffix:
            return "Deployment", owner.name.removesuffix(f"-{suffix}")
        return owner.kind, owner.name


class NodeStatus(msgspec.Struct, frozen=True, gc=False):
    """Status of a node."""

    allocatable: dict[str, str | int] = {}
    conditions: list[Condition] = []


class NodeSpec(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """What keeps pods off a node."""

    unschedulable: bool = False
    provider_id: str = msgspec.field(default="", name="providerID")


class Node(msgspec.Struct, frozen=True, gc=False):
    """A node."""

    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class _ListMeta(msgspec.Struct, frozen=True, gc=False):
    next: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct, Generic[T], gc=False):
    items: list[T] = []
    metadata: _ListMeta = _ListMeta()


_DECODERS: dict[Any, Callable[[bytes], Any]] = {}


def _decoder(kind: Any) -> Callable[[bytes], Any]:
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.json.Decoder(_List[kind], strict=False).decode
    return _DECODERS[kind]


class Lister:
    """Reads collections of one cluster, counting calls by what was listed."""

    def __init__(self, api: KubernetesApi, page: int = PAGE) -> None:
        self.api = api
        self.page = page
        self.calls: Counter[str] = Counter()

    async def pages(
        self,
        path: str,
        kind: type[T],
        params: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> AsyncIterator[list[T]]:
        """Pages of a collection, in order. A list that changed too much meanwhile (410) goes on from the start.

        :param accept: ``METADATA_ONLY`` when nothing but metadata is wanted.
        :raises KubernetesApiError: refused, or the list expired twice.
        """
        query = {"limit": str(self.page), **(params or {})}
        decode, expired = _decoder(kind), False
        while True:
            self.calls[path.rsplit("/", 1)[-1]] += 1
            try:
                answer: Any = await self.api.request("GET", path, params=query, decode=decode, accept=accept)
            except KubernetesApiError as error:
                if error.status != 410 or expired or "continue" not in query:
                    raise
                # What was read already may come again: readers count by key, or live with a page twice.
                expired = True
                query.pop("continue")
                continue
            body: _List[T] = answer.body
            yield body.items
            if not body.metadata.next:
                return
            query["continue"] = body.metadata.next

    async def all(
        self,
        path: str,
        kind: type[T],
        params: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> list[T]:
        """A whole collection, for kinds that stay few."""
        return [item async for page in self.pages(path, kind, params, accept) for item in page]
