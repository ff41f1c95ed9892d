"""What ``component.yaml`` promises exists in the manifests: checks, secrets, service accounts, endpoints."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.manifests.pod_rules import FLOATING_TAGS
from tests.manifests.rendering import (
    BASE,
    MANIFESTS,
    Manifest,
    Rendering,
    component_file,
    components,
    discover,
    environments,
    labels,
    platform,
    pod_template,
    render_all,
    selects,
)

SCRIPTS = sorted(MANIFESTS.glob("*/*/**/*.sh"))
COMPONENTS = components()


def objects(rendering: Rendering, kind: str) -> list[Manifest]:
    """A component's rendered objects of one kind."""
    return [manifest for manifest in render_all()[rendering] if manifest["kind"] == kind]


@pytest.mark.parametrize("rendering", COMPONENTS, ids=lambda one: one.id)
def test_checks_are_in_the_config_map(rendering: Rendering) -> None:
    specification = component_file(rendering)
    scripts = {Path(check["script"]).name for check in specification.get("checks", []) if "script" in check}
    maps = [
        one for one in objects(rendering, "ConfigMap") if one["metadata"]["name"] == f"{rendering.component}-checks"
    ]
    if not scripts:
        return
    assert len(maps) == 1, f"the kustomization generates no ConfigMap {rendering.component}-checks"
    assert maps[0]["metadata"]["namespace"] == specification["namespace"], "check pods could not mount it"
    assert scripts <= set(maps[0]["data"]), "add the script to checks/kustomization.yaml"
    present = {file.name for file in (rendering.component_folder / "checks").iterdir()} - {"kustomization.yaml"}
    assert present <= set(maps[0]["data"]), "files of checks/ that the ConfigMap lacks"
    unused = {name for name in present if name.endswith(".sh")} - scripts
    assert not unused, "scripts that no check names"


@pytest.mark.parametrize("rendering", COMPONENTS, ids=lambda one: one.id)
def test_components_prove_something(rendering: Rendering) -> None:
    specification = component_file(rendering)
    assert specification.get("checks"), "a component without checks proves nothing"
    for check in specification["checks"]:
        assert len(check["proves"]) > 20, f"check {check['name']}: say what a pass means"
        image = check.get("image")
        if image:
            tag = image.rsplit("/", 1)[-1].partition(":")[2]
            assert re.search(r"\d", tag), f"check {check['name']}: image {image} floats"
            assert tag not in FLOATING_TAGS


def test_one_image_has_one_tag() -> None:
    """Two tags of an image are two things to mirror, scan and keep up to date."""
    used: dict[str, set[str]] = {}
    for rendering, manifests in render_all().items():
        if rendering.overlay == "kafka-zookeeper":
            continue  # its purpose is an older Kafka
        images = [
            container["image"]
            for manifest in manifests
            if (template := pod_template(manifest))
            for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
        ]
        images += [check["image"] for check in component_file(rendering).get("checks", []) if "image" in check]
        for image in images:
            name, _, tag = image.rpartition(":")
            used.setdefault(name, set()).add(tag)
    assert {name: sorted(tags) for name, tags in used.items() if len(tags) > 1} == {}


@pytest.mark.parametrize("rendering", discover(), ids=lambda one: one.id)
def test_secrets_are_declared(rendering: Rendering) -> None:
    """A pod or a check that reads a Secret reads one that its component declares, or another in its namespace."""
    declared: dict[tuple[str, str], set[str]] = {}
    for other in COMPONENTS:
        specification = component_file(other)
        for secret in specification.get("secrets", []):
            for place in (secret.get("namespace", specification["namespace"]), *secret.get("also_in", [])):
                declared[place, secret["name"]] = set(secret["keys"])
    wanted = list(_secrets_of_pods(rendering))
    specification = component_file(rendering)
    for check in specification.get("checks", []):
        for variable in (check.get("secret_env") or {}).values():
            wanted.append((specification["namespace"], variable["secret"], variable["key"]))
    for namespace, name, key in wanted:
        assert (namespace, name) in declared, f"Secret {namespace}/{name} is declared by no component.yaml"
        assert key is None or key in declared[namespace, name], f"Secret {namespace}/{name} has no key {key}"


def _secrets_of_pods(rendering: Rendering) -> list[tuple[str, str, str | None]]:
    wanted: list[tuple[str, str, str | None]] = []
    for manifest in render_all()[rendering]:
        template = pod_template(manifest)
        if template is None:
            continue
        namespace, pod = manifest["metadata"]["namespace"], template["spec"]
        for volume in pod.get("volumes", []):
            sources = [volume, *volume.get("projected", {}).get("sources", [])]
            for secret in (source["secret"] for source in sources if "secret" in source):
                if secret.get("optional"):
                    continue
                keys = [item["key"] for item in secret.get("items", [])] or [None]
                wanted += [(namespace, secret.get("secretName") or secret["name"], key) for key in keys]
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            for variable in container.get("env", []):
                reference = variable.get("valueFrom", {}).get("secretKeyRef")
                if reference and not reference.get("optional"):
                    wanted.append((namespace, reference["name"], reference["key"]))
    return wanted


@pytest.mark.parametrize("rendering", COMPONENTS, ids=lambda one: one.id)
def test_config_maps_that_pods_mount_exist(rendering: Rendering) -> None:
    made = {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in platform(BASE) if one["kind"] == "ConfigMap"
    }
    for manifest in render_all()[rendering]:
        template = pod_template(manifest)
        if template is None:
            continue
        for volume in template["spec"].get("volumes", []):
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                found = source.get("configMap")
                if found and not found.get("optional") and found["name"] != "kube-root-ca.crt":
                    assert (manifest["metadata"]["namespace"], found["name"]) in made, f"no ConfigMap {found['name']}"


@pytest.mark.parametrize("rendering", COMPONENTS, ids=lambda one: one.id)
def test_service_accounts_and_endpoints_exist(rendering: Rendering) -> None:
    specification = component_file(rendering)
    accounts = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in objects(rendering, "ServiceAccount")}
    for check in specification.get("checks", []):
        if "service_account" in check:
            assert (specification["namespace"], check["service_account"]) in accounts, check["name"]
    services = {
        one["metadata"]["name"]: {port["port"] for port in one["spec"]["ports"]}
        for one in objects(rendering, "Service")
    }
    for endpoint in specification.get("endpoints", []):
        assert endpoint["port"] in services.get(endpoint["service"], set()), f"no Service port for {endpoint['name']}"


@pytest.mark.parametrize("environment", environments())
def test_web_interfaces_let_probes_in(environment: str) -> None:
    """The blackbox exporter reaches the pod port of every HTTP endpoint, by the policy that opens web ports to it."""
    everything = platform(environment)
    services = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one for one in everything if _is(one, "Service")
    }
    opened = {
        one["metadata"]["namespace"]: {port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]}
        for one in everything
        if _is(one, "NetworkPolicy") and one["metadata"]["name"] == "allow-probes"
    }
    missing = []
    for rendering in COMPONENTS:
        specification = component_file(rendering)
        for endpoint in specification.get("endpoints", []):
            service = services.get((specification["namespace"], endpoint["service"]))
            if service is None or endpoint.get("protocol", "http") != "http":
                continue
            target = next(one for one in service["spec"]["ports"] if one["port"] == endpoint["port"])
            port = _pod_port(service, target.get("targetPort", target["port"]), everything)
            if port not in opened.get(specification["namespace"], set()):
                missing.append(f"{specification['namespace']}: port {port} of {endpoint['name']}")
    assert not missing, f"add to base-services/blackbox-exporter/base/probed.yaml: {missing}"


def _is(manifest: Manifest, kind: str) -> bool:
    return bool(manifest["kind"] == kind)


def _pod_port(service: Manifest, target: int | str, everything: list[Manifest]) -> int:
    """Number of the pod port that a Service's port leads to."""
    if isinstance(target, int):
        return target
    for one in everything:
        template = pod_template(one)
        if template is None or one["metadata"]["namespace"] != service["metadata"]["namespace"]:
            continue
        if not selects({"matchLabels": service["spec"]["selector"]}, labels(template)):
            continue
        for container in template["spec"]["containers"]:
            for port in container.get("ports", []):
                if port.get("name") == target:
                    return int(port["containerPort"])
    raise AssertionError(f"Service {service['metadata']['name']}: no pod has port {target}")


def test_local_ports_are_unique() -> None:
    ports = [
        endpoint["local"] for rendering in COMPONENTS for endpoint in component_file(rendering).get("endpoints", [])
    ]
    assert sorted(ports) == sorted(set(ports))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda file: f"{file.parents[1].name}-{file.name}")
def test_scripts_are_posix_shell(script: Path) -> None:
    text = script.read_text()
    posix = text.startswith("#!/bin/sh\n")
    # A file that is sourced has no first line of its own, and says so to shellcheck.
    assert posix or text.startswith(("#!/usr/bin/env bash\n", "#!/bin/bash\n")) or "shellcheck shell=" in text
    interpreter = (shutil.which("dash") or "sh") if posix else "bash"
    process = subprocess.run([interpreter, "-n", str(script)], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    if script.parent.name == "checks":
        assert posix, "check images have no bash in common"
        assert "set -eu" in text, "a check goes on after a failed command"


def test_development_stays_small() -> None:
    """The base services leave room on a development platform's small nodes; three nodes run the node agent."""
    cpu, memory = 0.0, 0.0
    for rendering in {one.component: one for one in discover() if one.overlay in (BASE, "dev")}.values():
        if rendering.stage != "base-services":
            continue
        for manifest in render_all()[rendering]:
            template = pod_template(manifest)
            # What runs for minutes at night takes the room of nobody.
            if template is None or manifest["kind"] == "CronJob":
                continue
            count = 3 if manifest["kind"] == "DaemonSet" else manifest["spec"].get("replicas", 1)
            for container in template["spec"]["containers"]:
                requests = container["resources"]["requests"]
                cpu += count * _number(requests["cpu"])
                memory += count * _number(requests["memory"])
    assert 0 < cpu <= 0.8
    assert 0 < memory <= 1.3 * 2**30


def _number(quantity: str) -> float:
    units = {"m": 1e-3, "": 1.0, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
    match = re.fullmatch(r"([\d.]+)(\D*)", str(quantity))
    assert match, quantity
    return float(match[1]) * units[match[2]]


@pytest.mark.parametrize("environment", environments())
def test_requests_fit_the_quotas(environment: str) -> None:
    """A quota that refuses the platform's own pods would only show at deployment."""
    asked: dict[str, dict[str, float]] = {}
    hard: dict[str, Manifest] = {}
    for manifest in platform(environment):
        template, namespace = pod_template(manifest), manifest["metadata"].get("namespace", "")
        if manifest["kind"] == "ResourceQuota":
            hard[namespace] = manifest["spec"]["hard"]
        if template is None or manifest["kind"] == "DaemonSet":
            continue
        used = asked.setdefault(namespace, {})
        count = manifest["spec"].get("replicas", 1)
        for container in template["spec"]["containers"]:
            for key, quantity in container["resources"]["requests"].items():
                used[f"requests.{key}"] = used.get(f"requests.{key}", 0) + count * _number(quantity)
            used["limits.memory"] = used.get("limits.memory", 0) + count * _number(
                container["resources"]["limits"]["memory"]
            )
    for namespace, used in asked.items():
        for key, amount in used.items():
            allowed = _number(hard[namespace][key])
            # A rolling update runs old and new side by side for a while, and checks come on top.
            assert amount * 1.25 <= allowed, f"{namespace}: {key} {amount:g} of {allowed:g}"


def test_kafka_tools_choose_no_collector_beside_that_of_their_scripts() -> None:
    """`kafka-run-class.sh` adds its performance options to the heap's; the JVM refuses two collectors."""
    heap = re.compile(r"KAFKA_HEAP_OPTS(?:: |, value: |\n\s+value: )(.*)")
    wrong = [
        f"{path.relative_to(MANIFESTS)}: {found}"
        for path in sorted(MANIFESTS.rglob("*.yaml"))
        for found in heap.findall(path.read_text())
        if "GC" in found
    ]
    assert not wrong
