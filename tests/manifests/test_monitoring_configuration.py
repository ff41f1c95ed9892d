"""Prometheus' and Alertmanager's own configuration, and what their tools say of it and of the rules.

promtool and amtool come with the Debian packages ``prometheus`` and ``prometheus-alertmanager``; without them the tests
that need them are skipped, and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.manifests.rendering import MANIFESTS, Manifest, kustomize, load, pod_template

BASE_SERVICES = MANIFESTS / "base-services"
PROMETHEUS = BASE_SERVICES / "prometheus/base/config/prometheus.yml"
ALERTMANAGER = BASE_SERVICES / "alertmanager"
ALERTMANAGER_FILES = {
    "base": ALERTMANAGER / "base/config/alertmanager.yml",
    "pagerduty": ALERTMANAGER / "components/pagerduty/alertmanager.yml",
    "webhook": ALERTMANAGER / "components/webhook/alertmanager.yml",
    "sns": ALERTMANAGER / "components/sns/alertmanager.yml",
}
RULE_FILES = sorted(MANIFESTS.glob("*/*/alerts/*.rules.yaml"))
RULE_TESTS = sorted(MANIFESTS.glob("*/*/alerts/*.test.yaml"))
DASHBOARDS = sorted(MANIFESTS.glob("*/*/dashboards/*.json"))


def run(tool: str, *arguments: str | Path) -> None:
    """Run a tool, or skip without it; it has to be content."""
    found = shutil.which(tool)
    if not found:
        pytest.skip(f"{tool} is not installed")
    process = subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout + process.stderr


def without_discovery(node: object) -> object:
    """Debian's promtool is built without Kubernetes discovery and would call it an unknown field."""
    if isinstance(node, dict):
        rest = {key: without_discovery(value) for key, value in node.items() if key != "kubernetes_sd_configs"}
        return rest if len(rest) == len(node) else {**rest, "static_configs": [{"targets": ["localhost:1"]}]}
    if isinstance(node, list):
        return [without_discovery(value) for value in node]
    return node


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(without_discovery(load(PROMETHEUS)[0])))
    run("promtool", "check", "config", "--syntax-only", file)


def test_prometheus_scrapes_and_evaluates_every_15_seconds() -> None:
    configuration = load(PROMETHEUS)[0]
    assert configuration["global"]["scrape_interval"] == "15s"
    assert configuration["global"]["evaluation_interval"] == "15s"
    assert "remote_write" not in configuration
    overridden = [job["job_name"] for job in configuration["scrape_configs"] if "scrape_interval" in job]
    assert overridden == []
    assert {"pods", "services", "kubelet", "cadvisor", "kubernetes-api", "kube-state-metrics", "probe"} == {
        job["job_name"] for job in configuration["scrape_configs"]
    }


def test_promtool_accepts_the_rules() -> None:
    run("promtool", "check", "rules", "--lint=all", *RULE_FILES)


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.name)
def test_alerts_fire_when_they_should(file: Path) -> None:
    run("promtool", "test", "rules", file)


def expressions() -> Iterator[str]:
    """Every query of every dashboard, its variables filled in."""
    for file in DASHBOARDS:
        dashboard = json.loads(file.read_text())
        names = [variable["name"] for variable in dashboard.get("templating", {}).get("list", [])]
        for panel in [*dashboard["panels"], *(inner for row in dashboard["panels"] for inner in row.get("panels", []))]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1h")
                for name in names:
                    expression = expression.replace(f"${name}", "x").replace(f"${{{name}}}", "x")
                yield expression


def test_dashboards_ask_valid_queries(tmp_path: Path) -> None:
    rules = [{"record": f"query_{number}", "expr": expression} for number, expression in enumerate(expressions())]
    file = tmp_path / "queries.rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    run("promtool", "check", "rules", file)


def routes(route: Manifest) -> Iterator[Manifest]:
    """A route and all below it."""
    yield route
    for inner in route.get("routes", []):
        yield from routes(inner)


@pytest.mark.parametrize("name", ALERTMANAGER_FILES)
def test_alerts_are_routed_by_severity(name: str) -> None:
    configuration = load(ALERTMANAGER_FILES[name])[0]
    receivers = {receiver["name"] for receiver in configuration["receivers"]}
    assert {route["receiver"] for route in routes(configuration["route"])} <= receivers
    by_matcher = {
        matcher: route["receiver"] for route in routes(configuration["route"]) for matcher in route.get("matchers", [])
    }
    assert by_matcher['severity = "critical"'] == "page"
    assert by_matcher['severity = "warning"'] == "ticket"
    assert by_matcher['alertname = "Watchdog"'] == "watchdog"


@pytest.mark.parametrize("name", ["base", "pagerduty", "sns"])
def test_amtool_accepts_the_configuration(name: str) -> None:
    run("amtool", "check-config", ALERTMANAGER_FILES[name])


@pytest.mark.parametrize("name", ["pagerduty", "webhook", "sns"])
def test_addressees_can_be_added(name: str, tmp_path: Path) -> None:
    """The kustomize component replaces the configuration and mounts the Secret that it reads; SNS needs none."""
    overlay = {
        "resources": [os.path.relpath(ALERTMANAGER / "base", tmp_path.resolve())],
        "components": [os.path.relpath(ALERTMANAGER / "components" / name, tmp_path.resolve())],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    objects = kustomize(tmp_path)
    configuration = next(one for one in objects if one["metadata"]["name"].startswith("alertmanager-config-"))
    workload = next(one for one in objects if one["kind"] == "StatefulSet")
    template = pod_template(workload)
    assert template is not None
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    assert volumes["config"]["configMap"]["name"] == configuration["metadata"]["name"]
    if name == "sns":
        assert ":sns:" in configuration["data"]["alertmanager.yml"]
        return
    assert volumes[name]["secret"]["secretName"] == f"alertmanager-{name}"
    mounts = {mount["name"]: mount["mountPath"] for mount in template["spec"]["containers"][0]["volumeMounts"]}
    assert f"{mounts[name]}/" in configuration["data"]["alertmanager.yml"]
