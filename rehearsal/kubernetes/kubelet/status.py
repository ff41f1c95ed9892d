"""Pod statuses as a kubelet reports them."""

from __future__ import annotations

import hashlib
from typing import Any

from rehearsal.kubernetes.objects import Obj, dig, timestamp, with_condition

WAITING_CREATING = {"waiting": {"reason": "ContainerCreating"}}
WAITING_INITIALIZING = {"waiting": {"reason": "PodInitializing"}}


class PodStatus:
    """A pod's status under construction; :meth:`build` gives the whole of it.

    :param pod: the pod as stored, whose conditions are carried on.
    """

    def __init__(self, pod: Obj, host_ip: str, pod_ip: str) -> None:
        self._pod = pod
        self._ips = (host_ip, pod_ip)
        self.phase = "Pending"
        self.reason = ""
        self.message = ""
        self.start_time = dig(pod, "status", "startTime") or timestamp()
        spec = pod["spec"]
        self.init = {c["name"]: self._fresh(c, WAITING_INITIALIZING) for c in spec.get("initContainers") or []}
        first = WAITING_INITIALIZING if self.init else WAITING_CREATING
        self.main = {c["name"]: self._fresh(c, first) for c in spec["containers"]}
        self._sidecars = {c["name"] for c in spec.get("initContainers") or [] if c.get("restartPolicy") == "Always"}

    def _fresh(self, container: Obj, state: Obj) -> Obj:
        return {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 0,
            "state": state,
            "lastState": {},
        }

    def entry(self, name: str) -> Obj:
        """The status of a container."""
        return self.init.get(name) or self.main[name]

    def waiting(self, name: str, reason: str, message: str = "") -> None:
        """A container cannot start yet."""
        state = {"reason": reason, **({"message": message} if message else {})}
        self.entry(name).update(state={"waiting": state}, ready=False, started=False)

    def running(self, name: str, ready: bool) -> None:
        """A container runs."""
        entry = self.entry(name)
        if "running" not in entry["state"]:
            entry["state"] = {"running": {"startedAt": timestamp()}}
        digest = hashlib.sha256(entry["image"].encode()).hexdigest()
        container_id = hashlib.sha256((str(self._pod["metadata"]["uid"]) + name).encode()).hexdigest()
        entry.update(
            ready=ready,
            started=True,
            imageID=f"{entry['image'].split('@')[0]}@sha256:{digest}",
            containerID=f"containerd://{container_id}",
        )

    def terminated(self, name: str, code: int, reason: str, message: str = "") -> None:
        """A container ended."""
        entry = self.entry(name)
        started = dig(entry, "state", "running", "startedAt", default=timestamp())
        state: dict[str, Any] = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": timestamp()}
        if message:
            state["message"] = message
        if "containerID" in entry:
            state["containerID"] = entry["containerID"]
        entry.update(state={"terminated": state}, ready=name in self.init and code == 0, started=False)

    def restarted(self, name: str) -> None:
        """The current state becomes the last one; a new run begins."""
        entry = self.entry(name)
        entry.update(lastState=entry["state"], restartCount=entry["restartCount"] + 1, state=WAITING_CREATING)

    def build(self) -> Obj:
        """The status object."""
        initialized = all(self._init_done(name, entry) for name, entry in self.init.items())
        ready = self.phase == "Running" and all(e["ready"] for e in self.main.values())
        ended = self.phase == "Succeeded"
        started = any("waiting" not in e["state"] for e in (*self.init.values(), *self.main.values()))
        names = ", ".join(n for n, e in self.main.items() if not e["ready"])
        why = ("PodCompleted", "") if ended else ("ContainersNotReady", f"containers with unready status: [{names}]")
        conditions = dig(self._pod, "status", "conditions", default=[])
        conditions = with_condition(conditions, "PodReadyToStartContainers", str(started and not ended))
        undone = [n for n, e in self.init.items() if not self._init_done(n, e)]
        lacking = ("ContainersNotInitialized", f"containers with incomplete status: [{' '.join(undone)}]")
        conditions = with_condition(conditions, "Initialized", str(initialized), *(() if initialized else lacking))
        for kind in ("ContainersReady", "Ready"):
            conditions = with_condition(conditions, kind, str(ready), *(() if ready else why))
        conditions = with_condition(conditions, "PodScheduled", "True")
        host_ip, pod_ip = self._ips
        status: Obj = {
            "phase": self.phase,
            "conditions": conditions,
            "hostIP": host_ip,
            "hostIPs": [{"ip": host_ip}],
            "startTime": self.start_time,
            "qosClass": dig(self._pod, "status", "qosClass", default="BestEffort"),
            "containerStatuses": [dict(entry) for entry in self.main.values()],
        }
        if started:
            status.update(podIP=pod_ip, podIPs=[{"ip": pod_ip}])
        if self.init:
            status["initContainerStatuses"] = [dict(entry) for entry in self.init.values()]
        for field, value in (("reason", self.reason), ("message", self.message)):
            if value:
                status[field] = value
        return status

    def _init_done(self, name: str, entry: Obj) -> bool:
        if name in self._sidecars:
            return bool(entry["started"])
        return bool(dig(entry, "state", "terminated", "exitCode") == 0)
