"""Alerts, dashboards and metrics: everything that is measured can be scraped, and every alert can be acted upon."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.manifests.rendering import (
    BASE,
    MANIFESTS,
    ROOT,
    Manifest,
    components,
    environments,
    labels,
    load,
    platform,
    pod_template,
    reference,
    render_all,
    selects,
)

RUNBOOKS = ROOT / "docs" / "runbooks"
RULE_FILES = sorted(MANIFESTS.glob("*/*/alerts/*.rules.yaml"))
DASHBOARDS = sorted(MANIFESTS.glob("*/*/dashboards/*.json"))
SEVERITIES = {"critical", "warning", "info", "none"}
PROMETHEUS = {"namespace": "monitoring", "labels": {"app.kubernetes.io/name": "prometheus"}}


def alerts(file: Path) -> list[Manifest]:
    """The alerting rules of a rule file."""
    return [rule for group in load(file)[0]["groups"] for rule in group["rules"] if "alert" in rule]


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_alerts_can_be_acted_upon(file: Path) -> None:
    for alert in alerts(file):
        name, notes = alert["alert"], alert["annotations"]
        assert re.fullmatch(r"([A-Z][a-zA-Z0-9]*)+", name), name
        assert alert["labels"]["severity"] in SEVERITIES, name
        assert notes.get("summary"), name
        assert notes.get("description"), name
        assert notes["runbook_url"] == f"{{{{ $externalLabels.runbooks }}}}/{name}.md", name
        page = RUNBOOKS / f"{name}.md"
        assert page.is_file(), f"write docs/runbooks/{name}.md"
        assert page.read_text().startswith(f"# {name}\n"), page.name


def proven(file: Path) -> tuple[set[str], set[str]]:
    """Alerts that a component's unit tests saw firing, and those that they saw quiet."""
    fired, quiet = set(), set()
    for tests in file.parent.glob("*.test.yaml"):
        for test in load(tests)[0]["tests"]:
            for case in test.get("alert_rule_test", []):
                (fired if case.get("exp_alerts") else quiet).add(case["alertname"])
    return fired, quiet


@pytest.mark.parametrize("file", RULE_FILES, ids=lambda file: file.name)
def test_every_alert_was_seen_firing_and_quiet(file: Path) -> None:
    fired, quiet = proven(file)
    names = {alert["alert"] for alert in alerts(file)}
    assert not names - fired, f"no unit test makes these fire: {sorted(names - fired)}"
    # The Watchdog is there to fire for ever.
    silent = names - quiet - {"Watchdog"}
    assert not silent, f"no unit test sees these stay quiet: {sorted(silent)}"


def test_alert_names_are_unique() -> None:
    names = [alert["alert"] for file in RULE_FILES for alert in alerts(file)]
    assert sorted(names) == sorted(set(names))


def test_runbooks_are_of_alerts() -> None:
    names = {alert["alert"] for file in RULE_FILES for alert in alerts(file)}
    pages = {page.stem for page in RUNBOOKS.glob("[A-Z]*.md")} - {"README"}
    assert pages <= names, f"no alert is called so: {sorted(pages - names)}"


@pytest.mark.parametrize(
    ("suffix", "consumer", "volume"), [("alerts", "prometheus", "rules"), ("dashboards", "grafana", "dashboards")]
)
def test_what_components_ship_is_mounted(suffix: str, consumer: str, volume: str) -> None:
    shipped = {
        one["metadata"]["name"]
        for one in platform(BASE)
        if one["kind"] == "ConfigMap" and one["metadata"]["name"].endswith(f"-{suffix}")
    }
    workload = next(
        one for one in platform(BASE) if one["kind"] == "StatefulSet" and one["metadata"]["name"] == consumer
    )
    template = pod_template(workload)
    assert template is not None
    mount = next(one for one in template["spec"]["volumes"] if one["name"] == volume)
    listed = {source["configMap"]["name"] for source in mount["projected"]["sources"]}
    assert all(source["configMap"].get("optional") for source in mount["projected"]["sources"])
    missing = [f"- configMap: {{name: {name}, optional: true}}" for name in sorted(shipped - listed)]
    assert not missing, f"add to volume {volume} of base-services/{consumer}/base/statefulset.yaml: {missing}"
    folders = {component.component for component in components() if (component.component_folder / suffix).is_dir()}
    assert shipped == {f"{name}-{suffix}" for name in folders}


def test_files_of_one_mount_have_their_own_names() -> None:
    for suffix in ("alerts", "dashboards"):
        files = [
            name
            for one in platform(BASE)
            if one["kind"] == "ConfigMap" and one["metadata"]["name"].endswith(f"-{suffix}")
            for name in one["data"]
        ]
        assert sorted(files) == sorted(set(files))
        if suffix == "alerts":
            assert all(name.endswith(".rules.yaml") for name in files), "Prometheus reads only *.rules.yaml"


def queries(panel: Manifest) -> Iterator[Manifest]:
    """Everything in a dashboard that names a data source."""
    yield from panel.get("targets", [])
    for inner in panel.get("panels", []):
        yield from queries(inner)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.name)
def test_dashboards_can_be_provisioned(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"].startswith("slipway-")
    assert len(dashboard["uid"]) <= 40, "Grafana allows 40 characters"
    assert dashboard.get("id") is None
    assert "__inputs" not in dashboard, "file provisioning does not resolve inputs"
    assert "${DS_" not in file.read_text()
    assert "slipway" in dashboard["tags"]
    found = [query for panel in dashboard["panels"] for query in queries(panel)]
    assert found, "shows nothing"
    variables = [one for one in dashboard.get("templating", {}).get("list", []) if one["type"] == "query"]
    for query in [*found, *variables]:
        assert query["datasource"] == {"type": "prometheus", "uid": "prometheus"}, query.get("expr") or query["name"]
    assert all(query.get("expr", "").strip() for query in found)


def test_dashboards_have_their_own_identities() -> None:
    identities = [json.loads(file.read_text())["uid"] for file in DASHBOARDS]
    assert sorted(identities) == sorted(set(identities))
    assert {"slipway-cluster-overview", "slipway-application-metrics", "slipway-business-metrics"} <= set(identities)


def test_the_data_source_has_the_dashboards_identity() -> None:
    file = MANIFESTS / "base-services/grafana/base/provisioning/datasources.yaml"
    identities = {source["uid"] for source in load(file)[0]["datasources"]}
    assert identities == {"prometheus", "alertmanager", "jaeger", "cloudwatch"}


def admits(policy: Manifest, port: int) -> bool:
    """Does a NetworkPolicy let Prometheus in on a port?"""
    for rule in policy["spec"].get("ingress") or []:
        ports = rule.get("ports")
        if ports is not None and not any(one.get("port") == port for one in ports):
            continue
        for peer in rule.get("from", []):
            spaces = peer.get("namespaceSelector")
            here = (
                policy["metadata"]["namespace"] == PROMETHEUS["namespace"]
                if spaces is None
                else selects(spaces, {"kubernetes.io/metadata.name": "monitoring"})
            )
            pods = peer.get("podSelector")
            held = {"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/component": "server"}
            if here and (pods is None or selects(pods, held)):
                return True
    return False


@pytest.mark.parametrize("environment", environments())
def test_what_asks_to_be_scraped_can_be(environment: str) -> None:
    objects = platform(environment)
    for manifest in objects:
        template = pod_template(manifest)
        annotations = (template or {}).get("metadata", {}).get("annotations") or {}
        if template is None or annotations.get("prometheus.io/scrape") != "true":
            continue
        port = int(annotations["prometheus.io/port"])
        declared = [
            one["containerPort"]
            for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", [])]
            for one in container.get("ports", [])
        ]
        assert port in declared, f"{reference(manifest)}: prometheus.io/port {port} is no containerPort"
        policies = [
            one
            for one in objects
            if one["kind"] == "NetworkPolicy"
            and one["metadata"]["namespace"] == manifest["metadata"]["namespace"]
            and selects(one["spec"]["podSelector"], labels(template))
        ]
        assert any(admits(policy, port) for policy in policies), f"{reference(manifest)}: Prometheus is kept out"


def test_the_end_to_end_check_learns_who_asks_to_be_scraped() -> None:
    """It compares pods with the annotation to targets, so kube-state-metrics has to export the annotation."""
    exporter = next(
        one for one in platform(BASE) if one["kind"] == "Deployment" and one["metadata"]["name"] == "kube-state-metrics"
    )
    arguments = exporter["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--metric-annotations-allowlist=pods=[prometheus.io/scrape]" in arguments


def test_every_component_with_alerts_is_rendered_with_them() -> None:
    for rendering in components():
        if (rendering.component_folder / "alerts").is_dir():
            names = {one["metadata"]["name"] for one in render_all()[rendering]}
            assert f"{rendering.component}-alerts" in names
