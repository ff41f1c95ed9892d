"""What objects of the platform have to meet, alone and together."""

from __future__ import annotations

from collections.abc import Iterator

from tests.manifests.pod_rules import SECRET_NAME, URL_CREDENTIAL, Violation
from tests.manifests.rendering import Manifest, labels, pod_template, reference, selects

CLUSTER_KINDS = {
    "Namespace", "PriorityClass", "StorageClass", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "CSIDriver",
    "IngressClass", "RuntimeClass", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "APIService",
    "CustomResourceDefinition", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
}  # fmt: skip
COMMON_LABELS = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "app.kubernetes.io/part-of",
    "slipway.dev/component",
)
DISRUPTABLE = {"Deployment", "StatefulSet"}
WELL_KNOWN_NAMESPACES = {"kube-system"}


def object_violations(manifest: Manifest, component: str) -> Iterator[Violation]:
    """Violations that one object shows by itself."""
    where = reference(manifest)
    for rule, found in [
        *_metadata_rules(manifest, component),
        *_access_rules(manifest),
        *_secret_rules(manifest),
        *_scheduling_rules(manifest),
    ]:
        yield Violation(where, rule, found)


def _metadata_rules(manifest: Manifest, component: str) -> Iterator[tuple[str, str]]:
    template = pod_template(manifest)
    for holder, what in [(manifest, "object"), *([(template, "pod template")] if template else [])]:
        held = labels(holder)
        for label in COMMON_LABELS:
            if label not in held:
                yield "labels", f"{what} lacks {label}"
        if held.get("app.kubernetes.io/part-of") != "slipway" or held.get("slipway.dev/component") != component:
            yield "labels", f"{what} is not labelled part of slipway, component {component}"
    if manifest["kind"] not in CLUSTER_KINDS and not manifest["metadata"].get("namespace"):
        yield "namespace", "names no namespace"
    if manifest["kind"] == "Service" and manifest["spec"].get("type", "ClusterIP") != "ClusterIP":
        yield "service-type", f"type {manifest['spec']['type']} opens the platform to the outside"


def _access_rules(manifest: Manifest) -> Iterator[tuple[str, str]]:
    if manifest["kind"] in ("Role", "ClusterRole"):
        for rule in manifest.get("rules") or []:
            if any("*" in rule.get(field, []) for field in ("verbs", "resources", "apiGroups", "nonResourceURLs")):
                yield "rbac-wildcard", "a rule contains *"
            if "secrets" in rule.get("resources", []):
                yield "rbac-secrets", f"may {', '.join(rule['verbs'])} Secrets"
            if {"escalate", "bind", "impersonate"} & set(rule.get("verbs", [])):
                yield "rbac-wildcard", "may grant itself more"
    if manifest["kind"] in ("RoleBinding", "ClusterRoleBinding") and manifest["roleRef"]["name"] in (
        "cluster-admin",
        "admin",
        "edit",
    ):
        yield "rbac-wildcard", f"binds {manifest['roleRef']['name']}"
    if manifest["kind"] == "ServiceAccount" and manifest.get("automountServiceAccountToken") is not False:
        yield "token", "automountServiceAccountToken is not false"


def _secret_rules(manifest: Manifest) -> Iterator[tuple[str, str]]:
    if manifest["kind"] == "Secret" and (manifest.get("data") or manifest.get("stringData")):
        yield "secret-in-clear", "a Secret with values; declare it in component.yaml"
    if manifest["kind"] == "ConfigMap":
        for key, value in (manifest.get("data") or {}).items():
            if SECRET_NAME.search(key) and value.strip() and "\n" not in value.strip():
                yield "secret-in-clear", f"key {key}"
            if URL_CREDENTIAL.search(value):
                yield "secret-in-clear", f"key {key} contains an address with a password"


def _scheduling_rules(manifest: Manifest) -> Iterator[tuple[str, str]]:
    template = pod_template(manifest)
    if template is None:
        return
    pod: Manifest = template["spec"]
    replicas = manifest["spec"].get("replicas", 1)
    if manifest["kind"] in DISRUPTABLE and replicas > 1:
        anti = (pod.get("affinity") or {}).get("podAntiAffinity")
        if not pod.get("topologySpreadConstraints") and not anti:
            yield "spread", f"{replicas} replicas may share one node"
    if manifest["kind"] != "DaemonSet" and (pod.get("nodeSelector") or pod.get("tolerations")):
        yield "placement", "sets nodeSelector or tolerations; they are added where an environment has such nodes"
    if manifest["kind"] == "Deployment" and any("persistentVolumeClaim" in volume for volume in pod.get("volumes", [])):
        yield "one-writer", "a Deployment with a claim starts a second writer when it rolls; use a StatefulSet"


def platform_violations(objects: list[Manifest]) -> Iterator[Violation]:
    """Violations that only show when all objects of a platform are seen together."""
    for manifest in objects:
        where = reference(manifest)
        if manifest["kind"] == "Namespace":
            for found in _namespace_rules(manifest["metadata"]["name"], labels(manifest), objects):
                yield Violation(where, *found)
        elif pod_template(manifest):
            for found in _cover_rules(manifest, objects):
                yield Violation(where, *found)
        elif manifest["kind"] == "Service":
            for found in _service_rules(manifest, objects):
                yield Violation(where, *found)
        elif manifest["kind"] == "PodDisruptionBudget" and not _selected(
            manifest, manifest["spec"]["selector"], objects
        ):
            yield Violation(where, "pdb", "selects no workload")
    made = {manifest["metadata"]["name"] for manifest in objects if manifest["kind"] == "Namespace"}
    for manifest in objects:
        namespace = manifest["metadata"].get("namespace")
        if namespace and namespace not in made | WELL_KNOWN_NAMESPACES:
            yield Violation(reference(manifest), "namespace", f"namespace {namespace} is made by no component")


def _namespace_rules(name: str, held: dict[str, str], objects: list[Manifest]) -> Iterator[tuple[str, str]]:
    for mode in ("enforce", "audit", "warn"):
        if held.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
            yield "pod-security", f"{mode} is {held.get(f'pod-security.kubernetes.io/{mode}')!r}, wanted 'restricted'"
    inside = [manifest for manifest in objects if manifest["metadata"].get("namespace") == name]
    kinds = {manifest["kind"] for manifest in inside}
    for kind in ("ResourceQuota", "LimitRange"):
        if kind not in kinds:
            yield "quota", f"has no {kind}"
    closed = any(
        manifest["kind"] == "NetworkPolicy"
        and not manifest["spec"]["podSelector"]
        and set(manifest["spec"].get("policyTypes", [])) == {"Ingress", "Egress"}
        and not manifest["spec"].get("ingress")
        and not manifest["spec"].get("egress")
        for manifest in inside
    )
    if not closed:
        yield "default-deny", "has no NetworkPolicy that denies everything in both directions"


def _cover_rules(manifest: Manifest, objects: list[Manifest]) -> Iterator[tuple[str, str]]:
    template = pod_template(manifest)
    assert template is not None
    namespace, held = manifest["metadata"]["namespace"], labels(template)
    neighbours = [other for other in objects if other["metadata"].get("namespace") == namespace]
    policies = [
        other
        for other in neighbours
        if other["kind"] == "NetworkPolicy"
        and other["spec"]["podSelector"]
        and selects(other["spec"]["podSelector"], held)
        and other["metadata"]["labels"].get("slipway.dev/component") == held.get("slipway.dev/component")
    ]
    if not policies:
        yield "network-policy", "no NetworkPolicy of its own component selects its pods"
    budgets = [other for other in neighbours if other["kind"] == "PodDisruptionBudget"]
    if manifest["kind"] in DISRUPTABLE:
        matching = [budget for budget in budgets if selects(budget["spec"]["selector"], held)]
        if len(matching) != 1:
            yield "pdb", f"{len(matching)} PodDisruptionBudgets select its pods, wanted 1"
        blocking = [budget for budget in matching if budget["spec"].get("maxUnavailable") in (0, "0%")]
        if blocking:
            yield "pdb", "its PodDisruptionBudget allows no eviction at all"
    accounts = {other["metadata"]["name"] for other in neighbours if other["kind"] == "ServiceAccount"}
    account = template["spec"].get("serviceAccountName", "default")
    if account != "default" and account not in accounts:
        yield "own-service-account", f"ServiceAccount {account} is not in namespace {namespace}"
    if manifest["kind"] == "StatefulSet":
        services = {other["metadata"]["name"] for other in neighbours if other["kind"] == "Service"}
        if manifest["spec"]["serviceName"] not in services:
            yield "service", f"its serviceName {manifest['spec']['serviceName']} does not exist"


def _service_rules(service: Manifest, objects: list[Manifest]) -> Iterator[tuple[str, str]]:
    selector = service["spec"].get("selector")
    if not selector:
        return
    chosen = _selected(service, {"matchLabels": selector}, objects)
    if not chosen:
        yield "service", f"selects no pod: {selector}"
    for workload in chosen:
        template = pod_template(workload)
        assert template is not None
        ports = [
            port
            for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
            for port in container.get("ports", [])
        ]
        known = {port.get("name") for port in ports} | {port["containerPort"] for port in ports}
        for port in service["spec"]["ports"]:
            target = port.get("targetPort", port["port"])
            if target not in known:
                yield "service", f"targetPort {target!r} is no port of {reference(workload)}"


def _selected(manifest: Manifest, selector: Manifest, objects: list[Manifest]) -> list[Manifest]:
    """Workloads of the object's namespace whose pods a selector matches."""
    return [
        other
        for other in objects
        if other["metadata"].get("namespace") == manifest["metadata"].get("namespace")
        and (template := pod_template(other)) is not None
        and selects(selector, labels(template))
    ]
