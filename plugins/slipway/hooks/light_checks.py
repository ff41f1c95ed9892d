"""Light checks of one platform as pods: which components are deployed, the pods' start, their end, their words."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from slipway.catalog.render import image_for, place, render
from slipway.decisions.checks import main_image, without
from slipway.decisions.light_checks import LONGEST, START_ALLOWANCE, LightCheck, outcome
from slipway.hooks import check_pods
from slipway.hooks.check_secrets import ABSENT, values_of
from slipway.hooks.kubernetes_async import METADATA_ONLY, KubernetesApi, KubernetesApiError, Object
from slipway.hooks.listing import Lister, Named
from slipway.hooks.releases import RELEASE_LABEL
from slipway.model.light_checks import CheckMemory
from slipway.model.platform import SYSTEM_NAMESPACE, Platform
from slipway.model.records import CheckState

# On the pods of light checks: which run began them.
RUN_LABEL = "slipway.dev/health-run"
LINES = 200
_PODS = "/api/v1/pods"


def run_id(run: str) -> str:
    """A run's name as a label's value; the same for every try of it."""
    return hashlib.sha256(run.encode()).hexdigest()[:10]


class LightChecksHook:
    """The light checks of one run, in one cluster.

    :param run: :func:`run_id` of the run.
    :ivar calls: calls made to Kubernetes, by what for.
    :ivar said: output of checks that did not pass, by key.
    """

    def __init__(self, platform: Platform, api: KubernetesApi, run: str) -> None:
        self.platform = platform
        self.api = api
        self.run = run
        self.calls: Counter[str] = Counter()
        self.said: dict[str, list[str]] = {}

    async def deployed(self) -> set[str]:
        """Components that have a release in the cluster."""
        lister = Lister(self.api)
        path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps"
        # A release holds its manifests, some ten kilobytes each; its labels are all that is wanted.
        found = await lister.all(path, Named, {"labelSelector": RELEASE_LABEL}, METADATA_ONLY)
        self.calls += lister.calls
        return {one.metadata.labels[RELEASE_LABEL] for one in found}

    async def clear(self, but: str = "") -> None:
        """Delete what earlier runs left behind: they died before they had read it.

        :param but: a run whose pods stay.
        """
        others = f"{RUN_LABEL},{RUN_LABEL}!={but}" if but else RUN_LABEL
        self.calls["list"] += 1
        await self._delete(await self.api.items(_PODS, {"labelSelector": others}))

    async def begin(self, checks: Sequence[LightCheck], round_: int) -> dict[str, str]:
        """Start a pod for each; one that an earlier try of this task started is taken as it is.

        Returns why checks could not be started, by key.
        """
        problems = await asyncio.gather(*(self._start(one, round_) for one in checks))
        return {one.key: problem for one, problem in zip(checks, problems, strict=True) if problem}

    async def _start(self, one: LightCheck, round_: int) -> str:
        component, check = one.component, one.check
        named = check.image or main_image(component, render(component, self.platform))
        placed: dict[str, Any] = {}
        place(placed, component.spec.workload, self.platform)
        pod = check_pods.manifest(
            self.name(one, round_),
            component,
            check,
            image=image_for(named, self.platform),
            region=self.platform.region,
            tolerations=check_pods.tolerations(placed.get("tolerations", [])),
            more_labels={RUN_LABEL: self.run},
            deadline_seconds=int((one.limit + START_ALLOWANCE).total_seconds()),
        )
        self.calls["create"] += 1
        try:
            await self.api.request("POST", f"/api/v1/namespaces/{component.spec.namespace}/pods", body=pod)
        except KubernetesApiError as error:
            # 409: made by a try of this task that ended before it could wait.
            return "" if error.status == 409 and error.reason == "AlreadyExists" else f"its pod was refused: {error}"
        return ""

    async def results(self, checks: Iterable[LightCheck], round_: int, now: datetime) -> dict[str, CheckMemory]:
        """How each check of a round ended. Its pods are deleted."""
        self.calls["list"] += 1
        pods = {
            pod["metadata"]["name"]: pod for pod in await self.api.items(_PODS, {"labelSelector": selector(self.run)})
        }
        wanted = list(checks)
        lines = await asyncio.gather(*(self._said(one, pods.get(self.name(one, round_))) for one in wanted))
        found = {
            one.key: outcome(one, pods.get(self.name(one, round_)), said, now)
            for one, said in zip(wanted, lines, strict=True)
        }
        for one, said in zip(wanted, lines, strict=True):
            if found[one.key].state is not CheckState.PASSED:
                self.said[one.key] = said
        await self._delete(pods.values())
        return found

    def name(self, one: LightCheck, round_: int) -> str:
        """Name of a check's pod: the same for every try of the task."""
        suffix = hashlib.sha256(f"{self.run} {one.key} {round_}".encode()).hexdigest()[:8]
        return f"health-{one.component.name}-{one.check.name}"[:50].rstrip("-") + f"-{suffix}"

    async def _said(self, one: LightCheck, pod: Object | None) -> list[str]:
        """What a check printed, without the secrets that its pod was given."""
        words = await self._words(pod)
        if not words or not one.check.secret_env:
            return words
        hidden: list[str] = []
        for name in sorted({source.secret for source in one.check.secret_env.values()}):
            path = f"/api/v1/namespaces/{one.component.spec.namespace}/secrets/{name}"
            try:
                hidden += values_of((await self.api.request("GET", path)).body.get("data") or {})
            except KubernetesApiError as error:
                if error.status != ABSENT:
                    return ["(what it printed is not shown: the secrets it may hold could not be read)"]
        return [without(hidden, line) for line in words]

    async def _words(self, pod: Object | None) -> list[str]:
        if pod is None or (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}:
            return []
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/log"
        self.calls["log"] += 1
        try:
            answer = await self.api.request("GET", path, params={"tailLines": str(LINES)}, decode=_text)
        except KubernetesApiError:
            # Its node went, or its container never began: the status says more.
            return []
        text: Any = answer.body
        return text.splitlines() if isinstance(text, str) else []

    async def _delete(self, pods: Iterable[Mapping[str, Any]]) -> None:
        async def one(meta: Mapping[str, Any]) -> None:
            self.calls["delete"] += 1
            path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
            try:
                await self.api.request("DELETE", path, params={"gracePeriodSeconds": "0"})
            except KubernetesApiError as error:
                if error.status != 404:
                    raise

        await asyncio.gather(*(one(pod["metadata"]) for pod in pods))


def selector(run: str) -> str:
    """Label selector of a run's pods."""
    return f"{RUN_LABEL}={run}"


def wait_limit() -> float:
    """Seconds after which a round is judged as it stands."""
    return (LONGEST + START_ALLOWANCE).total_seconds()


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
