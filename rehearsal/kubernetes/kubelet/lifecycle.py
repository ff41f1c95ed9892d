"""The life of one pod: volumes, images, init containers, readiness, completion."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from typing import TYPE_CHECKING

from rehearsal.kubernetes.kubelet import references
from rehearsal.kubernetes.kubelet.images import pull_error, pull_seconds, size_bytes
from rehearsal.kubernetes.kubelet.runners import NOT_RUNNABLE, Launch, NotRunnable, runner_for
from rehearsal.kubernetes.kubelet.status import PodStatus
from rehearsal.kubernetes.objects import Obj, controller_of, dig, labels_of, name_of, namespace_of, uid_of

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster
    from rehearsal.kubernetes.kubelet.logs import ContainerLog

_POD_NETWORK = ipaddress.ip_network("10.0.128.0/17")
_START, _READY, _WORK = 1.0, 3.0, 5.0
_BACKOFF = 10.0
_MOST_BACKOFF = 300.0
CHECK_LABEL = ("slipway.dev/role", "check")


class _Ended(Exception):
    """The pod reached its last phase."""


class PodLifecycle:
    """Carries a bound pod to Ready, or to its end.

    :param images: (node, image) pairs already pulled, shared by all pods.
    """

    def __init__(self, cluster: Cluster, pod: Obj, images: set[tuple[str, str]]) -> None:
        self._cluster = cluster
        self._pod = pod
        self._images = images
        self._node = pod["spec"]["nodeName"]
        host_ip = self._host_ip()
        self._status = PodStatus(pod, host_ip, self._pod_ip(host_ip))

    def _host_ip(self) -> str:
        node = self._cluster.store.get("nodes", "", self._node)
        addresses = dig(node, "status", "addresses", default=[]) if node else []
        return next((a["address"] for a in addresses if a["type"] == "InternalIP"), "10.0.0.1")

    def _pod_ip(self, host_ip: str) -> str:
        if self._pod["spec"].get("hostNetwork"):
            return host_ip
        taken = {dig(p, "status", "podIP") for p in self._cluster.store.scan("pods")}
        offset = int(hashlib.sha256(uid_of(self._pod).encode()).hexdigest(), 16) % (_POD_NETWORK.num_addresses - 2)
        while str(_POD_NETWORK[offset + 1]) in taken:
            offset = (offset + 1) % (_POD_NETWORK.num_addresses - 2)
        return str(_POD_NETWORK[offset + 1])

    async def run(self) -> None:
        """Everything until the pod is Ready, has ended, or this task is cancelled."""
        deadline = self._pod["spec"].get("activeDeadlineSeconds")
        try:
            async with asyncio.timeout(deadline):
                await self._live()
        except _Ended:
            return
        except TimeoutError:
            self._fail_at_deadline()

    async def _live(self) -> None:
        spec = self._pod["spec"]
        self._write()
        await self._mount()
        for container in spec.get("initContainers") or []:
            await self._pull(container)
            if container.get("restartPolicy") == "Always":
                await self._start(container, ready=True)
            else:
                await self._run_once(container)
        for container in spec["containers"]:
            await self._pull(container)
        if spec.get("restartPolicy") == "Always" and not self._is_check():
            await self._serve(spec["containers"])
        else:
            await self._complete(spec["containers"])

    async def _pause(self, simulated: float) -> None:
        await asyncio.sleep(self._cluster.settings.seconds(simulated))

    def _is_check(self) -> bool:
        key, value = CHECK_LABEL
        return labels_of(self._pod).get(key) == value

    # Steps before containers start.

    async def _mount(self) -> None:
        """Wait for the ConfigMaps and Secrets that volumes name, and for disks that other nodes still hold."""
        while held := self._held():
            volume, pods = held
            text = f'Multi-Attach error for volume "{volume}" Volume is already used by pod(s) {pods}'
            self._cluster.manager.recorder.record(
                self._pod, "Warning", "FailedAttachVolume", text, "attachdetach-controller"
            )
            await self._cluster.changed(("pods",))
        while missing := references.missing_volume(self._cluster.store, self._pod):
            volume, problem = missing
            self._record("Warning", "FailedMount", f'MountVolume.SetUp failed for volume "{volume}" : {problem}')
            await self._cluster.changed(("configmaps", "secrets", "persistentvolumeclaims"))

    def _held(self) -> tuple[str, str] | None:
        store = self._cluster.store
        current = store.get("pods", namespace_of(self._pod), name_of(self._pod))
        return references.attached_elsewhere(store, current or self._pod)

    async def _pull(self, container: Obj) -> None:
        image, policy = container["image"], container.get("imagePullPolicy", "IfNotPresent")
        attempt = 0
        while (error := pull_error(image)) is not None:
            reason, message = error
            self._status.waiting(container["name"], reason, message)
            self._write()
            self._record("Warning", "Failed", f'Failed to pull image "{image}": {message}', container)
            if reason == "InvalidImageName":
                await asyncio.Event().wait()
            await self._pause(2)
            self._status.waiting(container["name"], "ImagePullBackOff", f'Back-off pulling image "{image}": {message}')
            self._write()
            self._record("Normal", "BackOff", f'Back-off pulling image "{image}"', container)
            await self._pause(min(_MOST_BACKOFF, _BACKOFF * 2**attempt))
            attempt += 1
        key = (self._node, image)
        if key in self._images and policy != "Always":
            text = f'Container image "{image}" already present on machine'
            self._record("Normal", "Pulled", text, container)
            return
        self._record("Normal", "Pulling", f'Pulling image "{image}"', container)
        seconds = pull_seconds(image) if key not in self._images else 1
        await self._pause(seconds)
        self._images.add(key)
        text = (
            f'Successfully pulled image "{image}" in {seconds}s ({seconds}s including waiting). '
            f"Image size: {size_bytes(image)} bytes."
        )
        self._record("Normal", "Pulled", text, container)

    async def _configured(self, container: Obj) -> dict[str, str]:
        """The container's environment, once everything it refers to exists."""
        while True:
            environment, problem = references.environment(self._cluster.store, self._pod, container)
            if not problem:
                return environment
            self._status.waiting(container["name"], "CreateContainerConfigError", problem)
            self._write()
            self._record("Warning", "Failed", f"Error: {problem}", container)
            await self._cluster.changed(("configmaps", "secrets"))

    async def _start(self, container: Obj, ready: bool) -> ContainerLog:
        await self._configured(container)
        log = self._cluster.logs.start(uid_of(self._pod), container["name"])
        self._status.running(container["name"], ready)
        self._record("Normal", "Created", f"Container created: {container['name']}", container)
        self._record("Normal", "Started", f"Container started: {container['name']}", container)
        self._write()
        return log

    # Pods that serve.

    async def _serve(self, containers: list[Obj]) -> None:
        for container in containers:
            log = await self._start(container, ready=False)
            log.write(f"rehearsal: image {container['image']} is not run here; the container is simulated")
        self._status.phase = "Running"
        self._write()
        delays = [_ready_after(container) for container in containers]
        await self._pause(max(delays))
        for container in containers:
            self._status.running(container["name"], ready=True)
        self._write()

    # Pods that end.

    async def _run_once(self, container: Obj) -> None:
        """An init container; one that fails is retried unless the pod says never."""
        attempt = 0
        while True:
            code = await self._execute(container, init=True)
            if code == 0:
                self._write()
                return
            if self._pod["spec"].get("restartPolicy") == "Never" or code == NOT_RUNNABLE:
                self._end("Failed")
            await self._restart(container, attempt)
            attempt += 1

    async def _complete(self, containers: list[Obj]) -> None:
        self._status.phase = "Running"
        codes = await asyncio.gather(*(self._attempts(container) for container in containers))
        self._end("Succeeded" if not any(codes) else "Failed")

    async def _attempts(self, container: Obj) -> int:
        attempt = 0
        while True:
            code = await self._execute(container)
            again = self._pod["spec"].get("restartPolicy") == "OnFailure" and code not in (0, NOT_RUNNABLE)
            if not again:
                return code
            await self._restart(container, attempt)
            attempt += 1

    async def _restart(self, container: Obj, attempt: int) -> None:
        self._status.restarted(container["name"])
        text = f"back-off restarting failed container {container['name']} in pod {name_of(self._pod)}"
        self._status.waiting(container["name"], "CrashLoopBackOff", text)
        self._write()
        self._record("Warning", "BackOff", text, container)
        await self._pause(min(_MOST_BACKOFF, _BACKOFF * 2**attempt))

    async def _execute(self, container: Obj, init: bool = False) -> int:
        environment = await self._configured(container)
        log = await self._start(container, ready=not init)
        try:
            code = await self._outcome(container, environment, log, init)
        finally:
            log.end()
        reason = "Completed" if code == 0 else "NotRunHere" if code == NOT_RUNNABLE else "Error"
        message = log.tail() if code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError" else ""
        self._status.terminated(container["name"], code, reason, message)
        return code

    async def _outcome(self, container: Obj, environment: dict[str, str], log: ContainerLog, init: bool) -> int:
        runner = runner_for(container["image"])
        if runner is not None:
            deadline = self._pod["spec"].get("activeDeadlineSeconds") or 600
            launch = Launch(container, environment, self._kubeconfig, float(deadline))
            try:
                return await runner.run(launch, log)
            except NotRunnable as error:
                log.write(f"rehearsal: {error}")
        if self._is_check():
            await self._pause(_START)
            text = f"rehearsal: image {container['image']} is not run here; this check was not performed"
            log.write(text)
            return NOT_RUNNABLE
        if not init and controller_of(self._pod) is None:
            await self._pause(_START)
            log.write(f"rehearsal: image {container['image']} is not run here; nothing was done")
            return NOT_RUNNABLE
        await self._pause(_WORK)
        log.write(f"rehearsal: image {container['image']} is not run here; completion is simulated")
        return 0

    def _kubeconfig(self) -> Obj | None:
        """Access with the pod's own token, so that RBAC decides what its kubectl may do."""
        spec = self._pod["spec"]
        if not any(v["name"].startswith("kube-api-access-") for v in spec.get("volumes") or []):
            return None
        namespace, name = namespace_of(self._pod), spec["serviceAccountName"]
        account = self._cluster.store.get("serviceaccounts", namespace, name)
        if account is None:
            return None
        token, _ = self._cluster.tokens.issue(namespace, name, uid_of(account), 3600)
        return self._cluster.kubeconfig(token, namespace)

    # Reporting.

    def _end(self, phase: str) -> None:
        self._status.phase = phase
        for name, entry in self._status.init.items():
            if "running" in entry["state"]:
                self._status.terminated(name, 0, "Completed")
        self._write()
        raise _Ended

    def _fail_at_deadline(self) -> None:
        self._status.phase = "Failed"
        self._status.reason = "DeadlineExceeded"
        self._status.message = "Pod was active on the node longer than the specified deadline"
        for name, entry in (*self._status.init.items(), *self._status.main.items()):
            if "terminated" not in entry["state"]:
                self._status.terminated(name, 137, "Error")
            log = self._cluster.logs.find(uid_of(self._pod), name)
            if log is not None:
                log.end()
        self._write()

    def _write(self) -> None:
        status = self._status.build()
        current = self._cluster.store.get("pods", namespace_of(self._pod), name_of(self._pod))
        if current is not None and uid_of(current) == uid_of(self._pod):
            self._cluster.registry.set_status(self._cluster.catalog.by_id("pods"), current, status)

    def _record(self, kind: str, reason: str, message: str, container: Obj | None = None) -> None:
        path = ""
        if container is not None:
            inits = self._status.init
            field = "initContainers" if container["name"] in inits else "containers"
            path = f"spec.{field}{{{container['name']}}}"
        self._cluster.manager.recorder.record(self._pod, kind, reason, message, "kubelet", self._node, path)


def _ready_after(container: Obj) -> float:
    """Simulated seconds from start to ready: what the probes wait for, or a little."""
    probe = container.get("readinessProbe") or container.get("startupProbe")
    if probe is None:
        return _START
    return float(probe.get("initialDelaySeconds", 0)) + _READY
