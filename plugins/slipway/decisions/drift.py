"""What counts as drift, in Kubernetes objects: fields that somebody changed, objects that went or came by hand.

What controllers own on purpose is none: replicas of an autoscaled workload, injected certificates, defaults, status.
Field managers tell who did what; only people's and their tools' are judged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from slipway.decisions.inventory import COMPONENT_LABEL, ObjectRef, changed_fields
from slipway.decisions.kinds import is_ceded
from slipway.model.drift import Author, FieldDrift, Finding, How
from slipway.model.platform import FIELD_MANAGER, SYSTEM_NAMESPACE

ABSENT = "absent"
HIDDEN = "(hidden)"
VALUE_SHOWN = 120
# Managers that act for the cluster, not for a person. What they write is theirs to write.
_CONTROLLERS = re.compile(
    r"^(slipway(-restore)?|kube-.*|kubelet|eks.*|aws-.*|vpc-.*|.*-controller(-manager)?|coredns|cainjector|cert-manager.*"
    r"|keda-operator|vpa-.*|cluster-autoscaler|karpenter|Go-http-client|node-fetch)$"
)
_ANNOTATIONS = re.compile(
    r"^metadata\.annotations\.(kubectl\.kubernetes\.io/|deployment\.kubernetes\.io/|pv\.kubernetes\.io/)"
)
# Kinds that people add to a namespace and that mean something; what controllers derive is left out by its owner.
ADDED_KINDS: tuple[tuple[str, str], ...] = (
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("v1", "ResourceQuota"),
    ("v1", "LimitRange"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
)
# Made in every namespace by the cluster itself.
_BORN_WITH_A_NAMESPACE = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
_ROLE_LABEL = "slipway.dev/role"


def compare(live: Mapping[str, Any] | None, applied: Mapping[str, Any], component: str) -> Finding | None:
    """Judge one object of ours.

    :param live: as it is; ``None`` when it is not there.
    :param applied: what a forced server-side dry run of Git's manifest answered.
    """
    ref = ObjectRef.of(applied)
    mend = f"run platform_drift with reconcile, or deploy component {component}"
    if live is None:
        return Finding(resource=str(ref), how=How.DELETED, component=component, mend=mend)
    paths = [path for path in changed_fields(live, applied) if not _legitimate(path, live)]
    foreign = [path for path in foreign_fields(live) if path not in paths and not _covered(path, paths)]
    if not paths and not foreign:
        return None
    fields = [_field(path, live, applied, ref.kind) for path in paths]
    fields += [_field(path, live, None, ref.kind) for path in foreign]
    return Finding(
        resource=str(ref),
        how=How.EDITED,
        fields=fields,
        authors=authors(live, [*paths, *foreign]),
        component=component,
        mend=mend,
    )


def added(objects: Iterable[Mapping[str, Any]], known: set[tuple[str, str, str, str]]) -> list[Finding]:
    """Objects in our namespaces that neither Git nor a controller made.

    :param objects: live ones with ``apiVersion`` and ``kind``.
    :param known: identities of everything that Git or a release record has.
    """
    found = []
    for item in objects:
        ref, metadata = ObjectRef.of(item), item["metadata"]
        if ref.identity in known or metadata.get("ownerReferences") or _derived(item, ref, known):
            continue
        found.append(
            Finding(
                resource=str(ref),
                how=How.ADDED,
                authors=authors(item, []),
                component=str((metadata.get("labels") or {}).get(COMPONENT_LABEL, "")),
                mend="take it into include/manifests, or: "
                f"kubectl delete {ref.kind.lower()} {ref.name} -n {ref.namespace}",
            )
        )
    return found


def _derived(item: Mapping[str, Any], ref: ObjectRef, known: set[tuple[str, str, str, str]]) -> bool:
    if (ref.kind, ref.name) in _BORN_WITH_A_NAMESPACE or ref.namespace == SYSTEM_NAMESPACE:
        return True
    if (item["metadata"].get("labels") or {}).get(_ROLE_LABEL) == "check":
        return True
    if ref.kind == "Secret" and str(item.get("type", "")).startswith(
        ("kubernetes.io/service-account-token", "helm.sh/")
    ):
        return True
    if ref.kind == "PersistentVolumeClaim":
        # Named by a StatefulSet's template, which owns it in all but name.
        sets = {name for _, kind, namespace, name in known if kind == "StatefulSet" and namespace == ref.namespace}
        return any(re.search(rf"-{re.escape(name)}-\d+$", ref.name) for name in sets)
    managers = {str(entry.get("manager", "")) for entry in item["metadata"].get("managedFields") or []}
    return bool(managers) and all(_CONTROLLERS.match(name) for name in managers)


def foreign_fields(live: Mapping[str, Any]) -> list[str]:
    """Fields of an object that a person or their tool set and nobody else, status and bookkeeping left out."""
    ours: set[str] = set()
    theirs: set[str] = set()
    for entry in live["metadata"].get("managedFields") or []:
        if entry.get("subresource"):
            continue
        paths = set(leaves(entry.get("fieldsV1") or {}))
        if _CONTROLLERS.match(str(entry.get("manager", ""))):
            ours |= paths
        else:
            theirs |= paths
    # A value that equals ours is shared, and no drift.
    return sorted(
        path
        for path in theirs - ours
        if not _ANNOTATIONS.match(path)
        and path.split(".")[0] not in {"status", "apiVersion", "kind"}
        # What they emptied again says nothing.
        and value_at(live, path) not in (None, {}, [])
    )


def authors(live: Mapping[str, Any], paths: Sequence[str]) -> list[Author]:
    """Field managers, other than ours and the cluster's, that own any of the paths; of any field without paths."""
    found = {}
    for entry in live["metadata"].get("managedFields") or []:
        manager = str(entry.get("manager", ""))
        if _CONTROLLERS.match(manager) or entry.get("subresource") == "status":
            continue
        owned = set(leaves(entry.get("fieldsV1") or {}))
        if not paths or any(_touches(path, owned) for path in paths):
            found[manager] = Author(who=manager, when=str(entry.get("time", "")))
    return [found[name] for name in sorted(found)]


def leaves(fields: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Dotted paths of a ``fieldsV1`` set: ``spec.template.spec.containers[app].image``."""
    for key, below in fields.items():
        if key == ".":
            continue
        if key.startswith("f:"):
            step = f"{path}.{key[2:]}" if path else key[2:]
        elif key.startswith("k:"):
            step = f"{path}[{_element(key[2:])}]"
        else:
            # A member of a set, such as a finalizer.
            step = f"{path}[{key[2:]}]"
        deeper = [name for name in below if name != "."] if isinstance(below, Mapping) else []
        if deeper:
            yield from leaves(below, step)
        else:
            yield step


def _element(key: str) -> str:
    values = json.loads(key)
    return str(values.get("name") or next(iter(values.values()), ""))


def _legitimate(path: str, live: Mapping[str, Any]) -> bool:
    """Whether the field belongs to a controller that set it on purpose."""
    if _ANNOTATIONS.match(path):
        return True
    for entry in live["metadata"].get("managedFields") or []:
        manager = str(entry.get("manager", ""))
        if (
            manager != FIELD_MANAGER
            and is_ceded(f".{path}", manager)
            and _touches(path, set(leaves(entry.get("fieldsV1") or {})))
        ):
            return True
        if entry.get("subresource") == "scale" and path == "spec.replicas" and _CONTROLLERS.match(manager):
            return True
    return False


def _touches(path: str, owned: set[str]) -> bool:
    return any(
        one == path or one.startswith((f"{path}.", f"{path}[")) or path.startswith((f"{one}.", f"{one}["))
        for one in owned
    )


def _covered(path: str, paths: Sequence[str]) -> bool:
    return any(_touches(path, {one}) for one in paths)


def _field(path: str, live: Mapping[str, Any], applied: Mapping[str, Any] | None, kind: str) -> FieldDrift:
    if kind == "Secret" and path.startswith(("data", "stringData")):
        return FieldDrift(path=path, wanted=HIDDEN, found=HIDDEN)
    wanted = ABSENT if applied is None else shown(value_at(applied, path))
    return FieldDrift(path=path, wanted=wanted, found=shown(value_at(live, path)))


_STEP = re.compile(r"\[([^\]]*)\]|\.?([^.\[\]]+)")


def value_at(manifest: Any, path: str) -> Any:
    """Value at a dotted path; ``None`` when there is none. Keys with dots of their own are tried whole."""
    node = manifest
    rest = path
    while rest:
        if isinstance(node, Mapping) and rest.lstrip(".") in node:
            return node[rest.lstrip(".")]
        match = _STEP.match(rest)
        if match is None:
            return None
        element, key = match.groups()
        if element is not None and isinstance(node, list):
            node = next(
                (item for item in node if isinstance(item, Mapping) and element in map(str, item.values())), None
            )
        elif key is not None and isinstance(node, Mapping):
            node = node.get(key)
        else:
            return None
        rest = rest[match.end() :]
    return node


def removal_patch(live: Mapping[str, Any], paths: Sequence[str]) -> list[dict[str, str]]:
    """JSON patch that takes fields off, the last element of a list first so that places stay right."""
    pointers = [pointer for path in paths if (pointer := _pointer(live, path))]
    unique = sorted(set(pointers), key=lambda pointer: [(_number(step), step) for step in pointer], reverse=True)
    return [{"op": "remove", "path": "".join(f"/{_escaped(step)}" for step in pointer)} for pointer in unique]


def _pointer(live: Mapping[str, Any], path: str) -> tuple[str, ...] | None:
    """Where a dotted path is in an object: a list element by its place; ``None`` when it is not there.

    A path into an element that only they have ends at the element.
    """
    node: Any = live
    steps: list[str] = []
    rest = path
    while rest:
        if isinstance(node, Mapping) and rest.lstrip(".") in node:
            return (*steps, rest.lstrip("."))
        match = _STEP.match(rest)
        if match is None:
            return None
        element, key = match.groups()
        if element is not None and isinstance(node, list):
            place = next((index for index, item in enumerate(node) if _is_element(item, element)), None)
            if place is None:
                return None
            steps.append(str(place))
            node = node[place]
            if rest[match.end() :] in {".name", ""}:
                return tuple(steps)
        elif key is not None and isinstance(node, Mapping) and key in node:
            steps.append(key)
            node = node[key]
        else:
            return None
        rest = rest[match.end() :]
    return tuple(steps)


def _is_element(item: Any, element: str) -> bool:
    if isinstance(item, Mapping):
        return str(item.get("name", "")) == element or element in map(str, item.values())
    return str(item) == element.strip('"')


def _number(step: str) -> int:
    return int(step) if step.isdigit() else -1


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def shown(value: Any) -> str:
    """A value as a report shows it."""
    if value is None:
        return ABSENT
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}..."
