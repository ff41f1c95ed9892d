"""Tells the AWS side what this cluster's controllers make there: disks of volumes, load balancers of services."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Any

import httpx

from rehearsal.kubernetes import quantity
from rehearsal.kubernetes.objects import Obj, dig, name_of, namespace_of
from rehearsal.kubernetes.store import Event

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

_log = logging.getLogger(__name__)
_EBS = "ebs.csi.aws.com"
_GIB = 1024**3
_ATTEMPTS = 5
_PAUSE_SECONDS = 0.5
_ZONE = "topology.kubernetes.io/zone"

Call = tuple[str, str, dict[str, Any]]


class Outside:
    """Works off what changed, in order. A cluster that stops leaves what it made, as EKS does."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._calls: asyncio.Queue[Call] = asyncio.Queue()
        self._worker: asyncio.Task[None] | None = None
        self._unsubscribe = cluster.store.subscribe(self._on_event)

    def start(self) -> None:
        """Begin, with everything there is: repeating is harmless."""
        for resource in ("persistentvolumes", "services"):
            for obj in self._cluster.store.objects(resource):
                self._note(resource, obj, None, gone=False)
        self._worker = asyncio.create_task(self._work(), name=f"outside of {self._cluster.id}")

    async def stop(self) -> None:
        """Stop telling; what is there stays there."""
        self._unsubscribe()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
            self._worker = None

    def _on_event(self, event: Event) -> None:
        if event.resource in ("persistentvolumes", "services"):
            self._note(event.resource, event.obj, event.old, gone=event.type == "DELETED")

    def _note(self, resource: str, obj: Obj, old: Obj | None, *, gone: bool) -> None:
        call = self._volume(obj, old, gone) if resource == "persistentvolumes" else self._service(obj, old, gone)
        if call is not None:
            self._calls.put_nowait(call)

    @staticmethod
    def _volume(obj: Obj, old: Obj | None, gone: bool) -> Call | None:
        csi = dig(obj, "spec", "csi", default={})
        if csi.get("driver") != _EBS:
            return None
        reference = dig(obj, "spec", "claimRef", default={})
        # The driver knows the claim from the start; here it is bound a moment after.
        known_before = old is not None and dig(old, "spec", "claimRef")
        if not gone and (not reference or known_before):
            return None
        path = f"volumes/{csi['volumeHandle']}"
        if gone:
            deletes = dig(obj, "spec", "persistentVolumeReclaimPolicy") == "Delete"
            return ("DELETE", path, {}) if deletes else None
        terms = dig(obj, "spec", "nodeAffinity", "required", "nodeSelectorTerms", default=[])
        zones = [
            value
            for term in terms
            for rule in term.get("matchExpressions", [])
            if rule["key"] == _ZONE
            for value in rule["values"]
        ]
        size = quantity.parse(dig(obj, "spec", "capacity", "storage", default="1Gi"))
        body = {
            "name": name_of(obj),
            # Quantities are in thousandths.
            "gib": max(1, math.ceil(size / 1000 / _GIB)),
            "zone": zones[0] if zones else "",
            "claim": reference.get("name", ""),
            "namespace": reference.get("namespace", ""),
        }
        return "PUT", path, body

    @staticmethod
    def _service(obj: Obj, old: Obj | None, gone: bool) -> Call | None:
        name = _balancer_of(obj) or (_balancer_of(old) if old else "")
        if not name:
            return None
        path = f"load-balancers/{name}"
        if gone or not _balancer_of(obj):
            return "DELETE", path, {}
        if old is not None and _balancer_of(old) == name:
            return None
        return "PUT", path, {"service": name_of(obj), "namespace": namespace_of(obj)}

    async def _work(self) -> None:
        base = f"{self._cluster.settings.sts_endpoint}/_rehearsal/outside/{self._cluster.id}"
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            while True:
                method, path, body = await self._calls.get()
                await self._send(client, method, f"{base}/{path}", body)

    @staticmethod
    async def _send(client: httpx.AsyncClient, method: str, url: str, body: dict[str, Any]) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                answer = await client.request(method, url, json=body)
                if answer.status_code < 500:
                    return
                reason = answer.text[:200]
            except httpx.HTTPError as error:
                reason = repr(error)
            if attempt < _ATTEMPTS:
                await asyncio.sleep(_PAUSE_SECONDS * attempt)
        _log.warning("%s %s: the AWS side was not told: %s", method, url, reason)


def _balancer_of(service: Obj) -> str:
    """Name of a service's load balancer, the first label's beginning of its host; ``k8s-<ns>-<name>-<hash>``."""
    ingress = dig(service, "status", "loadBalancer", "ingress", default=[])
    host = str(ingress[0].get("hostname", "")) if ingress else ""
    return host.split(".")[0].rpartition("-")[0]
