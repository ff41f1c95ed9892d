"""``services/prometheus:9090/proxy/api/v1/...``: query, query_range, targets and alerts."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from rehearsal.kubernetes.errors import ApiError
from rehearsal.kubernetes.objects import annotations_of, dig, is_true, labels_of, name_of, namespace_of, parse_time
from rehearsal.kubernetes.prometheus.matching import QueryError, parse
from rehearsal.kubernetes.prometheus.synthetic import all_series, labels_as_json, observe

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

SERVICE = ("monitoring", "prometheus")
_STATUS = {"bad_data": 400, "execution": 422}
_MOST_POINTS = 11_000
_STARTED = time.time()


def serves(namespace: str, name: str) -> bool:
    """Whether a service's proxy leads to Prometheus; the name may carry a scheme and a port."""
    parts = name.split(":")
    return (namespace, parts[1] if len(parts) == 3 else parts[0]) == SERVICE


def answer(cluster: Cluster, path: str, query: dict[str, str]) -> Response:
    """The answer to one request.

    :raises ApiError: 503 while no pod of Prometheus is ready, in the words of the API server's proxy.
    """
    if not _running(cluster):
        text = f'no endpoints available for service "{SERVICE[1]}"'
        raise ApiError(503, "ServiceUnavailable", text)
    try:
        match path:
            case "api/v1/query":
                return _success(_instant(cluster, query))
            case "api/v1/query_range":
                return _success(_range(cluster, query))
            case "api/v1/alerts":
                return _success({"alerts": _alerts(cluster)})
            case "api/v1/targets":
                return _success({"activeTargets": _targets(cluster), "droppedTargets": []})
            case _:
                return JSONResponse({"status": "error", "errorType": "not_found", "error": f"no path {path}"}, 404)
    except QueryError as error:
        body = {"status": "error", "errorType": error.kind, "error": str(error)}
        return JSONResponse(body, _STATUS[error.kind])


def _success(data: Any) -> Response:
    return JSONResponse({"status": "success", "data": data})


def _running(cluster: Cluster) -> bool:
    namespace, name = SERVICE
    service = cluster.store.get("services", namespace, name)
    if service is None:
        raise ApiError(404, "NotFound", f'services "{name}" not found', {"name": name, "kind": "services"})
    selector = dig(service, "spec", "selector", default={})
    pods = cluster.store.objects("pods", namespace)
    return any(selector.items() <= labels_of(pod).items() and is_true(pod, "Ready") for pod in pods)


def _instant(cluster: Cluster, query: dict[str, str]) -> Any:
    selector, at = parse(query.get("query", "")), _time(query, "time", time.time())
    return {
        "resultType": "vector",
        "result": [
            {"metric": labels_as_json(one), "value": [at, _text(one.value(at))]}
            for one in all_series(observe(cluster.store), cluster.faults, time.time())
            if selector.picks(one.name, dict(one.labels))
        ],
    }


def _range(cluster: Cluster, query: dict[str, str]) -> Any:
    selector = parse(query.get("query", ""))
    start, end = _time(query, "start", None), _time(query, "end", None)
    step = _seconds(query.get("step", ""))
    if end < start:
        raise QueryError("bad_data", 'invalid parameter "end": end timestamp must not be before start time')
    if (end - start) / step > _MOST_POINTS:
        text = f"exceeded maximum resolution of {_MOST_POINTS:,} points per timeseries. "
        raise QueryError("bad_data", text + "Try decreasing the query resolution (?step=XX)")
    times = [start + step * index for index in range(int((end - start) // step) + 1)]
    return {
        "resultType": "matrix",
        "result": [
            {"metric": labels_as_json(one), "values": [[at, _text(one.value(at))] for at in times]}
            for one in all_series(observe(cluster.store), cluster.faults, time.time())
            if selector.picks(one.name, dict(one.labels))
        ],
    }


def _alerts(cluster: Cluster) -> list[Any]:
    found = [_alert("Watchdog", "none", "Fires always; when it stops arriving, alerting is broken", _STARTED, {})]
    for fault in cluster.faults.of("alert-firing"):
        labels = {key: str(value) for key, value in (fault.spec.get("labels") or {}).items()}
        summary = fault.text("summary", "injected")
        at = fault.at - fault.number("minutes", 10) * 60
        found.append(
            _alert(fault.text("alert", "KubernetesAPISlow"), fault.text("severity", "warning"), summary, at, labels)
        )
    return found


def _alert(name: str, severity: str, summary: str, since: float, labels: dict[str, str]) -> Any:
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": summary, "runbook_url": f"docs/runbooks/{name}.md"},
        "state": "firing",
        "activeAt": datetime.fromtimestamp(since, UTC).isoformat().replace("+00:00", "Z"),
        "value": "1e+00",
    }


def _targets(cluster: Cluster) -> list[Any]:
    found = []
    for pod in cluster.store.objects("pods"):
        if annotations_of(pod).get("prometheus.io/scrape") != "true":
            continue
        job = labels_of(pod).get("app.kubernetes.io/name", name_of(pod))
        down = cluster.faults.value("target-down", "targets", job=job)
        found.append(
            {
                "labels": {"job": job, "namespace": namespace_of(pod), "pod": name_of(pod)},
                "scrapePool": "pods",
                "health": "down" if down else "up",
                "lastError": "context deadline exceeded" if down else "",
            }
        )
    return found


def _time(query: dict[str, str], name: str, default: float | None) -> float:
    text = query.get(name, "")
    if not text and default is not None:
        return default
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return parse_time(text).timestamp()
    except ValueError as error:
        raise QueryError(
            "bad_data", f'invalid parameter "{name}": cannot parse "{text}" to a valid timestamp'
        ) from error


def _seconds(text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    try:
        value = float(text[:-1]) * units[text[-1]] if text[-1:] in units else float(text)
    except ValueError as error:
        raise QueryError("bad_data", f'invalid parameter "step": cannot parse "{text}" to a valid duration') from error
    if value <= 0:
        raise QueryError(
            "bad_data", 'invalid parameter "step": zero or negative query resolution step widths are not accepted'
        )
    return value


def _text(value: float) -> str:
    return f"{value:.6g}" if value != int(value) else str(int(value))
