"""The log endpoint of pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from rehearsal.kubernetes.errors import bad_request
from rehearsal.kubernetes.http.requests import Call
from rehearsal.kubernetes.http.shutdown import Shutdown
from rehearsal.kubernetes.kubelet.logs import ContainerLog, Line
from rehearsal.kubernetes.objects import Obj, containers_of, dig, parse_time, uid_of

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster


def respond(cluster: Cluster, call: Call, shutdown: Shutdown) -> Response:
    """The text of one container's log, followed when asked for.

    :raises ApiError: 404 for the pod, 400 when the container is not named, unknown or not started.
    """
    pod = cluster.registry.get(call.resource, call.namespace, call.name)
    container = _container(pod, call)
    log = cluster.logs.find(uid_of(pod), container, previous=call.flag("previous"))
    if log is None:
        raise bad_request(_why_absent(pod, container, call))
    lines = _selected(log, call)
    stamped = call.flag("timestamps")
    if not call.flag("follow") or call.flag("previous"):
        text = "".join(line.text(stamped) for line in lines)
        limit = int(call.query.get("limitBytes") or 0)
        return Response(text.encode()[:limit] if limit else text, media_type="text/plain")
    return StreamingResponse(_follow(log, lines, stamped, shutdown), media_type="text/plain")


def _container(pod: Obj, call: Call) -> str:
    names = [container["name"] for _, _, container in containers_of(pod["spec"])]
    wanted = call.query.get("container", "")
    main = [container["name"] for container in pod["spec"]["containers"]]
    if not wanted:
        if len(main) > 1:
            raise bad_request(
                f"a container name must be specified for pod {call.name}, choose one of: [{' '.join(main)}]"
            )
        return str(main[0])
    if wanted not in names:
        raise bad_request(f"container {wanted} is not valid for pod {call.name}")
    return wanted


def _why_absent(pod: Obj, container: str, call: Call) -> str:
    if call.flag("previous"):
        return f'previous terminated container "{container}" in pod "{call.name}" not found'
    statuses = [
        *dig(pod, "status", "initContainerStatuses", default=[]),
        *dig(pod, "status", "containerStatuses", default=[]),
    ]
    reason = next((dig(s, "state", "waiting", "reason") for s in statuses if s["name"] == container), None)
    if not dig(pod, "spec", "nodeName"):
        return f"pod {call.name} does not have a host assigned"
    return f'container "{container}" in pod "{call.name}" is waiting to start: {reason or "ContainerCreating"}'


def _selected(log: ContainerLog, call: Call) -> list[Line]:
    lines = list(log.lines)
    since = call.query.get("sinceTime", "")
    start = parse_time(since) if since else None
    if call.query.get("sinceSeconds"):
        start = datetime.now(UTC) - timedelta(seconds=int(call.query["sinceSeconds"]))
    if start is not None:
        lines = [line for line in lines if line.at >= start]
    tail = call.query.get("tailLines", "")
    if tail and int(tail) >= 0:
        lines = lines[len(lines) - int(tail) :] if int(tail) <= len(lines) else lines
    return lines


async def _follow(log: ContainerLog, lines: list[Line], stamped: bool, shutdown: Shutdown) -> AsyncIterator[bytes]:
    for line in lines:
        yield line.text(stamped).encode()
    position = len(log.lines)
    while not shutdown.begun:
        for line in log.lines[position:]:
            yield line.text(stamped).encode()
        position = len(log.lines)
        if log.ended:
            return
        await log.changed(shutdown.on)
