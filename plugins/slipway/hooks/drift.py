"""Fetches what drift is judged by: a cluster's objects against a forced dry run of Git, stacks against themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from slipway.decisions.drift import ADDED_KINDS, added, compare, shown
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.kinds import Manifest
from slipway.hooks.apply import APPLY_PATCH
from slipway.hooks.aws import client, code_of
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError
from slipway.hooks.kubernetes_removal import listed
from slipway.hooks.releases import Releases
from slipway.model.drift import Author, FieldDrift, Finding, How
from slipway.model.platform import FIELD_MANAGER, Platform
from slipway.model.report import Missing

_PARAMS = {"fieldManager": FIELD_MANAGER, "force": "true", "dryRun": "All", "fieldValidation": "Strict"}
_HOW = {"MODIFIED": How.EDITED, "DELETED": How.DELETED}


class ClusterDriftHook:
    """Compares a cluster's objects with Git. Nothing is changed: every write is a dry run."""

    def __init__(self, api: KubernetesApi) -> None:
        self.api = api
        self.looked_at = 0
        self.missing: list[Missing] = []

    async def component(self, name: str, manifests: Sequence[Manifest]) -> list[Finding]:
        """Compare one component; one that was never deployed has no drift."""
        releases = await Releases(self.api).list_releases(name)
        if not releases:
            return []
        deployed = {ObjectRef.parse(key).identity for key in releases[-1].objects}
        judged = await asyncio.gather(
            *(self._judge(name, item) for item in manifests if ObjectRef.of(item).identity in deployed)
        )
        return [finding for finding in judged if finding is not None]

    async def _judge(self, component: str, manifest: Manifest) -> Finding | None:
        ref = ObjectRef.of(manifest)
        path = await self.api.path(ref)
        live = await self.api.get(path) if path else None
        self.looked_at += 1
        if live is None or path is None:
            return compare(None, manifest, component)
        try:
            answer = await self.api.request("PATCH", path, params=_PARAMS, body=manifest, content_type=APPLY_PATCH)
        except KubernetesApiError as error:
            # An immutable field that was changed in Git, or a webhook: not comparable, and said so.
            self.missing.append(Missing(part=str(ref), reason=error.message))
            return None
        kinds = {"apiVersion": ref.api_version, "kind": ref.kind}
        return compare({**live, **kinds}, {**answer.body, **kinds}, component)

    async def added(self, namespaces: Sequence[str], known: set[tuple[str, str, str, str]]) -> list[Finding]:
        """Objects in our namespaces that nobody knows of."""
        found = await asyncio.gather(*(self._listed(version, kind, known, namespaces) for version, kind in ADDED_KINDS))
        return [finding for some in found for finding in some]

    async def _listed(
        self, version: str, kind: str, known: set[tuple[str, str, str, str]], namespaces: Sequence[str]
    ) -> list[Finding]:
        items = await listed(self.api, version, kind)
        ours = [
            {**item, "apiVersion": version, "kind": kind}
            for item in items
            if item["metadata"].get("namespace") in namespaces
        ]
        self.looked_at += len(ours)
        return added(ours, known)


class StackDriftHook:
    """CloudFormation's own drift detection, for every stack of a platform at once."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.api: Any = client("cloudformation", platform.region)

    def start(self) -> dict[str, str]:
        """Start a detection for every stack of ours that can have one; ids by stack."""
        found = {}
        hook = CloudFormationHook(self.platform.region)
        for name in hook.names(f"{self.platform.name}-"):
            live = hook.find(name)
            if live is None or not self.platform.is_ours(dict(live.tags)) or live.status.endswith("_IN_PROGRESS"):
                continue
            try:
                found[name] = str(self.api.detect_stack_drift(StackName=name)["StackDriftDetectionId"])
            except ClientError as error:
                # One runs already: its result is as good.
                if code_of(error) != "OperationInProgressException":
                    raise
        return found

    def running(self, detections: dict[str, str]) -> list[str]:
        """Stacks whose detection still runs."""
        return [
            name
            for name, one in detections.items()
            if self.api.describe_stack_drift_detection_status(StackDriftDetectionId=one)["DetectionStatus"]
            == "DETECTION_IN_PROGRESS"
        ]

    def findings(self, stack: str) -> list[Finding]:
        """What differs in a stack, property by property."""
        api_pages: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self.api.describe_stack_resource_drifts(
                StackName=stack, StackResourceDriftStatusFilters=list(_HOW), **token
            )
            api_pages += page["StackResourceDrifts"]
            if not page.get("NextToken"):
                break
            token = {"NextToken": page["NextToken"]}
        return [self._finding(stack, item) for item in api_pages]

    def _finding(self, stack: str, item: dict[str, Any]) -> Finding:
        fields = [
            FieldDrift(
                path=entry["PropertyPath"].strip("/").replace("/", "."),
                wanted=_value(entry.get("ExpectedValue")),
                found=_value(entry.get("ActualValue")),
            )
            for entry in item.get("PropertyDifferences", [])
        ]
        physical = item.get("PhysicalResourceId", item["LogicalResourceId"])
        how = _HOW[item["StackResourceDriftStatus"]]
        mend = (
            f"undo it, or change include/cloudformation and deploy; stack {stack}, resource {item['LogicalResourceId']}"
        )
        return Finding(resource=f"{item['ResourceType']} {physical}", how=how, fields=fields, mend=mend)


def who_changed(region: str, resource: str) -> list[Author]:
    """Who last wrote to an AWS resource, by CloudTrail's events of the last 90 days; none when it cannot tell."""
    name = resource.partition(" ")[2]
    try:
        events = client("cloudtrail", region).lookup_events(
            LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": name}], MaxResults=10
        )["Events"]
    except (ClientError, BotoCoreError):
        return []
    writes = [one for one in events if str(one.get("ReadOnly", "")).lower() != "true"]
    return [Author(who=str(one.get("Username", "unknown")), when=one["EventTime"].isoformat()) for one in writes[:1]]


def _value(raw: Any) -> str:
    if raw is None or raw == "":
        return "absent"
    try:
        return shown(json.loads(raw))
    except (TypeError, ValueError):
        return shown(raw)
