"""Brings single objects back to what Git says, whoever holds their fields now."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from slipway.decisions.drift import ADDED_KINDS, foreign_fields, removal_patch
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.kinds import Manifest, in_waves
from slipway.hooks.apply import APPLY_PATCH
from slipway.hooks.kubernetes_async import KubernetesApi
from slipway.hooks.kubernetes_removal import delete
from slipway.model.platform import FIELD_MANAGER

_PARAMS = {"fieldManager": FIELD_MANAGER, "force": "true", "fieldValidation": "Strict"}


class Reconciler:
    """Writes to one cluster with force."""

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api

    async def bring_back(self, manifests: Iterable[Manifest]) -> list[str]:
        """Apply with force, in the order of kinds, and take off what only other people set.

        :raises KubernetesApiError: the API refused an object.
        """
        done = []
        for wave in in_waves(manifests):
            for manifest in wave:
                ref = ObjectRef.of(manifest)
                path = await self.api.path(ref)
                if path is None:
                    continue
                answer = await self.api.request("PATCH", path, params=_PARAMS, body=manifest, content_type=APPLY_PATCH)
                patch = removal_patch(answer.body, foreign_fields(answer.body))
                if patch:
                    # In our name, or the API server's defaults for what is taken off would count as somebody's.
                    await self.api.request(
                        "PATCH",
                        path,
                        params={"fieldManager": FIELD_MANAGER},
                        body=patch,
                        content_type="application/json-patch+json",
                    )
                done.append(str(ref))
        return done

    async def remove(self, resources: Sequence[str]) -> list[str]:
        """Delete objects by what a finding calls them: ``Kind namespace/name``."""
        versions = {kind: version for version, kind in ADDED_KINDS}
        refs = []
        for resource in resources:
            kind, _, name = resource.partition(" ")
            namespace, _, short = name.rpartition("/")
            if kind in versions and namespace:
                refs.append(ObjectRef(versions[kind], kind, namespace, short))
        return [str(ref) for ref in await delete(self.api, refs)]
