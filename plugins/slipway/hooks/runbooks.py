"""Evidence about a finding, and the few changes that mend one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from slipway.decisions.runbooks import Evidence, Mend, MendKind
from slipway.hooks.eks import EksHook
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, Object
from slipway.hooks.releases import Releases
from slipway.model.errors import Problem, RefusedError
from slipway.model.health import Finding, FindingKind
from slipway.model.platform import Platform

LINES = 20
_EVENTS = 200
_MOST_DELETED = 100
_COMPONENT = "slipway.dev/component"
_MERGE = "application/merge-patch+json"
# What people write before a secret, keys of AWS, and bearer tokens. Reports are read by more people than logs are.
_SECRETS = (
    re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+"),
    re.compile(r"(?i)((?:password|passwd|secret|token|api[_-]?key|authorization)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&]+"),
    re.compile(r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"(://[^:/\s]+:)[^@\s]+(?=@)"),
)


def redact(line: str) -> str:
    """A line of a log without what looks like a secret."""
    for pattern in _SECRETS:
        line = pattern.sub(r"\1[redacted]", line)
    return line[:500]


class RunbookHook:
    """Reads and mends within one platform's cluster."""

    def __init__(self, platform: Platform, api: KubernetesApi) -> None:
        self.platform = platform
        self.api = api

    async def evidence(self, finding: Finding) -> Evidence:
        """What can be found out: events, the log's tail, recent releases. Parts that cannot be had are named."""
        labels, details, missing = finding.labels, dict[str, str](), list[str]()
        namespace, pod_name = labels.get("namespace", ""), labels.get("pod", "")
        workload = labels.get("workload", "")
        pod = await self._optional(f"/api/v1/namespaces/{namespace}/pods/{pod_name}", missing) if pod_name else None
        log: list[str] = []
        if pod is not None:
            log = await self._log(pod, details, missing)
        component = labels.get("component") or ((pod or {}).get("metadata", {}).get("labels") or {}).get(_COMPONENT, "")
        releases, released = await self._releases(component, missing)
        events = await self._events(namespace, pod_name or workload, missing) if namespace else []
        await self._details(finding, details, missing)
        return Evidence(events=events, log=log, releases=releases, released=released, details=details, missing=missing)

    async def apply(self, mend: Mend) -> str:
        """Make a change; what was done, in one sentence.

        :raises RefusedError: it would destroy what nobody makes anew, or go beyond a limit.
        :raises KubernetesApiError: the API refused.
        """
        target = mend.target
        match mend.kind:
            case MendKind.RESTART_POD:
                return await self._restart_pod(target)
            case MendKind.DELETE_FAILED_PODS:
                return await self._delete_evicted(target)
            case MendKind.DELETE_FAILED_JOBS:
                return await self._delete_jobs(target)
            case MendKind.RESTART_WORKLOAD:
                return await self._restart_workload(target)
            case MendKind.CORDON_NODE:
                body = {"spec": {"unschedulable": True}}
                await self.api.request("PATCH", f"/api/v1/nodes/{target['node']}", body=body, content_type=_MERGE)
                return f"cordoned {target['node']}"
            case MendKind.UPDATE_ADDON:
                conn = EksHook.of(self.platform.region).conn
                conn.update_addon(
                    clusterName=self.platform.cluster_name, addonName=target["addon"], resolveConflicts="OVERWRITE"
                )
                return f"asked EKS to bring add-on {target['addon']} back"
            case MendKind.GROW_NODE_GROUP:
                return self._grow(target["nodegroup"])

    async def _optional(self, path: str, missing: list[str]) -> Object | None:
        try:
            return await self.api.get(path)
        except KubernetesApiError as error:
            missing.append(str(error))
            return None

    async def _log(self, pod: Object, details: dict[str, str], missing: list[str]) -> list[str]:
        statuses = [
            *(pod["status"].get("initContainerStatuses") or []),
            *(pod["status"].get("containerStatuses") or []),
        ]
        waiting = [one for one in statuses if "waiting" in (one.get("state") or {})]
        container = (waiting or statuses or [{"name": ""}])[0]
        ended = (container.get("lastState") or {}).get("terminated") or {}
        if ended.get("reason"):
            details["reason"] = str(ended["reason"])
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/log"
        query = {"tailLines": str(LINES), "container": container["name"]}
        # While a container waits to be restarted its own log is that of the one that ended; when it runs again, the
        # one before has it.
        again: tuple[dict[str, str], ...] = ({}, {"previous": "true"})
        for previous in again if waiting else reversed(again):
            try:
                answer: Any = await self.api.request("GET", path, params={**query, **previous}, decode=_text)
            except KubernetesApiError as error:
                if not previous:
                    missing.append(str(error))
                continue
            lines = [redact(line) for line in str(answer.body or "").splitlines()[-LINES:]]
            if lines:
                return lines
        return []

    async def _releases(self, component: str, missing: list[str]) -> tuple[list[str], datetime | None]:
        if not component:
            return [], None
        try:
            found = await Releases(self.api).list_releases(component)
        except KubernetesApiError as error:
            missing.append(str(error))
            return [], None
        newest = found[:-4:-1]
        said = [f"{one.component} {one.number} at {one.applied_at:%Y-%m-%d %H:%M} by {one.run_id}" for one in newest]
        return said, newest[0].applied_at if newest else None

    async def _events(self, namespace: str, name: str, missing: list[str]) -> list[str]:
        query = {"fieldSelector": "type=Warning", "limit": str(_EVENTS)}
        try:
            body = (await self.api.request("GET", f"/api/v1/namespaces/{namespace}/events", params=query)).body
        except KubernetesApiError as error:
            missing.append(str(error))
            return []
        about = [one for one in body.get("items") or [] if one["involvedObject"].get("name", "").startswith(name)]
        about.sort(key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or ""))
        return [redact(_line(one)) for one in about[-LINES:]]

    async def _details(self, finding: Finding, details: dict[str, str], missing: list[str]) -> None:
        if finding.kind is FindingKind.FAILED_JOB:
            namespace, name = finding.labels.get("namespace", ""), finding.labels.get("workload", "")
            found = await self._optional(f"/apis/batch/v1/namespaces/{namespace}/cronjobs/{name}", missing)
            details["cronjob"] = "no" if found is None else "yes"
        if finding.kind is FindingKind.NODE_NOT_READY:
            node = await self._optional(f"/api/v1/nodes/{finding.labels.get('node', '')}", missing)
            details["instance"] = ((node or {}).get("spec") or {}).get("providerID", "its Node object is gone")
        if finding.kind is FindingKind.POD_PENDING:
            path, query = "/apis/apps/v1/deployments", {"labelSelector": "app.kubernetes.io/name=cluster-autoscaler"}
            details["autoscaler"] = "yes" if await self.api.items(path, query) else "no"
            details |= self._room()

    def _room(self) -> dict[str, str]:
        """A node group that may grow."""
        hook = EksHook.of(self.platform.region)
        for name in hook.nodegroup_names(self.platform.cluster_name):
            group = hook.find_nodegroup(self.platform.cluster_name, name)
            sizes = (group or {}).get("scalingConfig") or {}
            if sizes and sizes["desiredSize"] < sizes["maxSize"]:
                return {"grow": name, "sizes": f"desired {sizes['desiredSize']} of at most {sizes['maxSize']}"}
        return {}

    async def _restart_pod(self, target: Mapping[str, str]) -> str:
        path = f"/api/v1/namespaces/{target['namespace']}/pods/{target['pod']}"
        pod = await self.api.get(path)
        if pod is None:
            return f"{target['pod']} is gone already"
        if not any(owner.get("controller") for owner in pod["metadata"].get("ownerReferences") or []):
            raise _refused(
                f"Pod {target['namespace']}/{target['pod']}", "no controller", "a pod that its controller makes anew"
            )
        await self.api.request("DELETE", path)
        return f"deleted pod {target['pod']}, which its controller makes anew"

    async def _delete_evicted(self, target: Mapping[str, str]) -> str:
        path = f"/api/v1/namespaces/{target['namespace']}/pods"
        failed = await self.api.items(path, {"fieldSelector": "status.phase=Failed"})
        mine = [
            one["metadata"]["name"]
            for one in failed
            if one["status"].get("reason") == "Evicted" and one["metadata"]["name"].startswith(target["workload"])
        ][:_MOST_DELETED]
        for name in mine:
            await self.api.request("DELETE", f"{path}/{name}")
        return f"deleted {len(mine)} evicted pods of {target['workload']}"

    async def _delete_jobs(self, target: Mapping[str, str]) -> str:
        path = f"/apis/batch/v1/namespaces/{target['namespace']}/jobs"
        failed = sorted(
            (
                (one["metadata"]["creationTimestamp"], one["metadata"]["name"])
                for one in await self.api.items(path)
                if any(owner.get("name") == target["group"] for owner in one["metadata"].get("ownerReferences") or [])
                and any(c["type"] == "Failed" and c["status"] == "True" for c in one["status"].get("conditions") or [])
            ),
        )
        for _, name in failed[:-1][:_MOST_DELETED]:
            await self.api.request("DELETE", f"{path}/{name}", params={"propagationPolicy": "Background"})
        return f"deleted {len(failed[:-1])} failed jobs of {target['group']}, kept the last"

    async def _restart_workload(self, target: Mapping[str, str]) -> str:
        plural = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}[target["kind"]]
        path = f"/apis/apps/v1/namespaces/{target['namespace']}/{plural}/{target['name']}"
        live = await self.api.get(path)
        if live is None:
            return f"{target['name']} is gone already"
        stamp = {"slipway.dev/restarted-generation": str(live["metadata"].get("generation", 0))}
        body = {"spec": {"template": {"metadata": {"annotations": stamp}}}}
        await self.api.request("PATCH", path, body=body, content_type=_MERGE)
        return f"restarted {target['kind']} {target['name']}"

    def _grow(self, name: str) -> str:
        hook = EksHook.of(self.platform.region)
        group = hook.find_nodegroup(self.platform.cluster_name, name)
        if group is None or not self.platform.is_ours(group.get("tags") or {}):
            raise _refused(f"node group {name}", "not ours, or gone", "a node group that carries the platform's tags")
        sizes = group["scalingConfig"]
        wanted = sizes["desiredSize"] + 1
        if wanted > sizes["maxSize"]:
            raise _refused(f"node group {name}", f"desired {sizes['desiredSize']}", f"at most {sizes['maxSize']} nodes")
        hook.conn.update_nodegroup_config(
            clusterName=self.platform.cluster_name, nodegroupName=name, scalingConfig={"desiredSize": wanted}
        )
        return f"raised node group {name} to {wanted} nodes"


def _line(event: Object) -> str:
    at, name = event.get("lastTimestamp") or "", event["involvedObject"].get("name")
    return f"{at} {event.get('reason')} {name}: {event.get('message')}"


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _refused(where: str, found: str, allowed: str) -> RefusedError:
    return RefusedError(Problem(where, "", found, allowed, "see the runbook, and do it by hand if it is right"))
