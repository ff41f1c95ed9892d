"""Releases of a component, kept in the cluster they were applied to: what was applied, when, by which run.

One ConfigMap per release in ``slipway-system``. Secret values are never part of one.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from slipway.decisions.inventory import ObjectRef, digest
from slipway.decisions.kinds import Manifest
from slipway.hooks.apply import APPLY_PATCH
from slipway.hooks.kubernetes_async import KubernetesApi, Object
from slipway.model.errors import Problem, RefusedError
from slipway.model.platform import FIELD_MANAGER, SYSTEM_NAMESPACE
from slipway.model.records import Release, ReleaseState

RELEASE_LABEL = "slipway.dev/release-of"
NUMBER_LABEL = "slipway.dev/release"
KEPT_RELEASES = 10
LARGEST_RECORD_BYTES = 1_000_000
_NAMESPACE_PATH = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}"
_COLLECTION = f"{_NAMESPACE_PATH}/configmaps"


class Releases:
    """The release records of one cluster."""

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api

    async def list_releases(self, component: str) -> list[Release]:
        """Releases of a component, oldest first; without their manifests."""
        query = {"labelSelector": f"{RELEASE_LABEL}={component}"}
        found = [_release(item) for item in await self.api.items(_COLLECTION, query)]
        return sorted(found, key=lambda release: release.number)

    async def get_release(self, component: str, number: int) -> tuple[Release, list[dict[str, Any]]] | None:
        """A release and the manifests it applied; ``None`` when it is not kept (any more)."""
        record = await self.api.get(f"{_COLLECTION}/{_name(component, number)}")
        if record is None:
            return None
        packed = base64.b64decode(record["binaryData"]["manifests.json.gz"])
        manifests: list[dict[str, Any]] = json.loads(gzip.decompress(packed))
        return _release(record), manifests

    async def begin(
        self, component: str, manifests: Sequence[Manifest], refs: Sequence[ObjectRef], run_id: str, now: datetime
    ) -> Release:
        """Record a release before its objects are applied, so that nothing applied is ever unaccounted for.

        The last release is taken up again when it has the same digest: a retry, or a repair, is no new release.
        """
        await self._ensure_namespace()
        releases = await self.list_releases(component)
        last = releases[-1] if releases else None
        current = digest(manifests)
        objects = sorted(ref.key for ref in refs)
        if last and last.digest == current and last.objects == objects:
            return last
        release = Release(
            component=component,
            number=last.number + 1 if last else 1,
            digest=current,
            applied_at=now,
            run_id=run_id,
            objects=objects,
            state=ReleaseState.APPLYING,
        )
        await self._write(release, manifests)
        for old in releases[: max(0, len(releases) + 1 - KEPT_RELEASES)]:
            await self.api.request("DELETE", f"{_COLLECTION}/{_name(component, old.number)}")
        return release

    async def advance(self, release: Release, state: ReleaseState) -> Release:
        """Note how far a release came; going back is not possible, so a repaired release stays ready."""
        if state.rank <= release.state.rank:
            return release
        images = await self._images(release.component) if state is ReleaseState.READY else release.images
        advanced = release.model_copy(update={"state": state, "images": images})
        body = {"data": {"release.json": advanced.model_dump_json()}}
        path = f"{_COLLECTION}/{_name(release.component, release.number)}"
        await self.api.request("PATCH", path, body=body, content_type="application/merge-patch+json")
        return advanced

    async def _images(self, component: str) -> dict[str, str]:
        """Digests that run, by reference: what the nodes pulled, whatever registry or mirror it came from."""
        query = {"labelSelector": f"slipway.dev/component={component},slipway.dev/role!=check"}
        pods = await self.api.items("/api/v1/pods", query)
        return running_images(pods)

    async def _write(self, release: Release, manifests: Sequence[Manifest]) -> None:
        # A fixed time in the header keeps equal manifests equal bytes.
        packed = base64.b64encode(gzip.compress(json.dumps(list(manifests), sort_keys=True).encode(), mtime=0)).decode()
        name = _name(release.component, release.number)
        if len(packed) > LARGEST_RECORD_BYTES:
            raise RefusedError(
                Problem(
                    f"ConfigMap {SYSTEM_NAMESPACE}/{name}",
                    "binaryData",
                    f"{len(packed):,} bytes of compressed manifests",
                    f"at most {LARGEST_RECORD_BYTES:,}, the limit of one object",
                    f"split component {release.component} into two",
                )
            )
        record = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": SYSTEM_NAMESPACE,
                "labels": {
                    "app.kubernetes.io/part-of": "slipway",
                    RELEASE_LABEL: release.component,
                    NUMBER_LABEL: str(release.number),
                },
            },
            "data": {"release.json": release.model_dump_json()},
            "binaryData": {"manifests.json.gz": packed},
        }
        await self.api.request(
            "PATCH",
            f"{_COLLECTION}/{name}",
            params={"fieldManager": FIELD_MANAGER, "force": "true"},
            body=record,
            content_type=APPLY_PATCH,
        )

    async def _ensure_namespace(self) -> None:
        """Make the namespace of the records when it is missing; the namespaces component owns it from then on."""
        if await self.api.get(_NAMESPACE_PATH) is not None:
            return
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": SYSTEM_NAMESPACE, "labels": {"app.kubernetes.io/part-of": "slipway", **labels}},
        }
        params = {"fieldManager": FIELD_MANAGER, "force": "true"}
        await self.api.request("PATCH", _NAMESPACE_PATH, params=params, body=body, content_type=APPLY_PATCH)


def unpruned(releases: Sequence[Release]) -> list[str]:
    """Inventory keys that may still be in the cluster: of the last release that was applied whole, and all since."""
    whole = [index for index, release in enumerate(releases) if release.state is not ReleaseState.APPLYING]
    since = releases[whole[-1] if whole else 0 :]
    return sorted({key for release in since for key in release.objects})


def running_images(pods: Sequence[Object]) -> dict[str, str]:
    """Digest of each image that pods run; the reference is the specification's, a status may name another tag of it.

    Two builds of one reference, as in the middle of a rollout, are both named.
    """
    found: dict[str, set[str]] = {}
    for pod in pods:
        wanted = {one["name"]: one["image"] for one in pod["spec"]["containers"]}
        for status in (pod.get("status") or {}).get("containerStatuses") or []:
            digest_found = str(status.get("imageID") or "").rpartition("@")[2]
            if digest_found.startswith("sha256:") and status["name"] in wanted:
                found.setdefault(wanted[status["name"]], set()).add(digest_found)
    return {image: " ".join(sorted(digests)) for image, digests in sorted(found.items())}


def _name(component: str, number: int) -> str:
    return f"{component}.v{number}"


def _release(record: Object) -> Release:
    return Release.model_validate_json(record["data"]["release.json"])
