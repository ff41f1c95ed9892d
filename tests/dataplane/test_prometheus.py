"""Every panel of every dashboard and every rule is evaluated by the Prometheus that scraped these pods."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.dataplane.running import ROOT, Running, eventually

MANIFESTS = ROOT / "include" / "manifests"
# What a panel's variables stand for, when nothing is chosen.
# Series that are not there on real nodes here, and why; everything else has to be.
ABSENT = {
    "alertmanager_cluster_members": "dev has one Alertmanager, without a cluster",
    "cluster_autoscaler_last_activity": "no image of the Cluster Autoscaler can be had here",
    "cluster_autoscaler_unschedulable_pods_count": "no image of the Cluster Autoscaler can be had here",
    "leader_election_master_status": "no image of the load balancer controller can be had here",
    "kafka_consumergroup_lag": "Spark reads without a consumer group, so there is one only while a check reads",
    "slipway:consumer_lag:messages": "it is recorded from kafka_consumergroup_lag",
    "kube_cronjob_status_last_successful_time": "jobs of the night have not run yet",
    "mongodb_ss_connections": "MongoDB's stand-in does not count connections",
    "mongodb_ss_opcounters": "MongoDB's stand-in does not count operations",
    "job:http_server_request_errors:ratio_rate5m": "there is one only while requests are answered",
}
# Panels that are empty because all is well, or because nothing has happened yet.
QUIET = {"Pods that are not ready", "Workflow tasks per minute"}
DISABLED = "zookeeper"
OF_DISABLED = {"synced_followers"}
VARIABLES = {"$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h"}


@pytest.fixture(scope="module")
def prometheus(platform: Running) -> Iterator[httpx.Client]:
    with platform.forwarded("monitoring", "pod/prometheus-0", 9090) as client:
        eventually(lambda: client.get("/-/ready").status_code == 200, 30)
        yield client


def ask(prometheus: httpx.Client, expression: str) -> list[Any]:
    """What an expression gives now.

    :raises AssertionError: Prometheus refuses it.
    """
    answer = prometheus.post("/api/v1/query", data={"query": expression}).json()
    assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
    found = answer["data"]["result"]
    return list(found) if answer["data"]["resultType"] in {"vector", "matrix"} else [found]


def selectors(prometheus: httpx.Client, expression: str) -> set[str]:
    """The series that an expression reads, as Prometheus' own parser sees it."""
    answer = prometheus.get("/api/v1/parse_query", params={"query": expression}).json()
    assert answer["status"] == "success", f"{expression}: {answer.get('error')}"
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "vectorSelector" and node.get("name"):
                found.add(node["name"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(answer["data"])
    return found


def panels() -> list[tuple[str, str, str]]:
    """Dashboard, panel and expression of everything that is drawn from Prometheus."""
    found = []
    for path in sorted(MANIFESTS.glob("*/*/**/dashboards/*.json")):
        board = json.loads(path.read_text())
        for panel in _flat(board.get("panels", [])):
            for target in panel.get("targets", []):
                if expression := target.get("expr"):
                    found.append((path.stem, panel.get("title", "?"), expression))
    return found


def _flat(found: list[Any]) -> Iterator[Any]:
    for panel in found:
        yield panel
        yield from _flat(panel.get("panels", []))


def rules() -> list[tuple[str, str, str]]:
    """File, name and expression of every alert and recording rule."""
    return [
        (path.name, rule.get("alert") or rule["record"], rule["expr"])
        for path in sorted(MANIFESTS.glob("*/*/**/alerts/*.rules.yaml"))
        if DISABLED not in path.parts
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


def filled(expression: str) -> str:
    """A panel's expression with its variables filled in as for everything."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    # What a person chooses from: everything.
    return re.sub(r'(=~?)"\$\{?\w+(?::\w+)?\}?"', '=~".*"', expression)


def test_there_are_panels_and_rules() -> None:
    assert len(panels()) > 20
    assert len(rules()) > 40


def test_every_panel_returns_data(prometheus: httpx.Client, platform: Running) -> None:
    empty = [
        f"{board} / {title}: {expression}"
        for board, title, expression in panels()
        if not ask(prometheus, filled(expression))
        if title not in QUIET and not selectors(prometheus, filled(expression)) & set(ABSENT)
    ]
    assert not empty, "\n".join(empty)


def test_every_rule_is_loaded_and_evaluated_without_error(prometheus: httpx.Client) -> None:
    groups = prometheus.get("/api/v1/rules").json()["data"]["groups"]
    loaded = {rule["name"]: rule for group in groups for rule in group["rules"]}
    missing = {name for _, name, _ in rules()} - set(loaded)
    assert not missing, f"in Git and not in Prometheus: {sorted(missing)}"
    broken = {name: rule["lastError"] for name, rule in loaded.items() if rule["health"] != "ok"}
    assert not broken


def test_every_series_that_a_rule_reads_is_there(prometheus: httpx.Client) -> None:
    known = set(prometheus.get("/api/v1/label/__name__/values").json()["data"])
    empty = {
        f"{file} {name}": sorted(lacking)
        for file, name, expression in rules()
        if (
            lacking := {
                one for one in selectors(prometheus, expression) - known - set(ABSENT) if one not in OF_DISABLED
            }
        )
    }
    assert not empty, json.dumps(empty, indent=1)
