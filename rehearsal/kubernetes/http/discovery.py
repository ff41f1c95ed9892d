"""Discovery: which groups, versions and resources are served."""

from __future__ import annotations

from rehearsal.kubernetes.objects import Obj
from rehearsal.kubernetes.resources import Catalog, Resource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

_RESPONSE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
    "binding": ("", "v1", "Binding"),
}
_SUBRESOURCE_VERBS = {
    "status": ["get", "patch", "update"],
    "scale": ["get", "patch", "update"],
    "finalize": ["update"],
    "log": ["get"],
    "ephemeralcontainers": ["get", "patch", "update"],
    "resize": ["get", "patch", "update"],
}


def wants_aggregated(accept: str) -> bool:
    """Whether the client can read aggregated discovery (kubectl and client-go can)."""
    return any(
        {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"} <= {p.strip() for p in entry.split(";")}
        for entry in accept.split(",")
    )


def aggregated(catalog: Catalog, core: bool) -> Obj:
    """Everything below ``/api`` or ``/apis`` in one document."""
    items = []
    for group, versions in catalog.group_versions().items():
        if (group == "") is core:
            entries = [
                {
                    "version": version,
                    "resources": [_aggregated_resource(r) for r in _of(catalog, group, version)],
                    "freshness": "Current",
                }
                for version in versions
            ]
            items.append({"metadata": {"name": group} if group else {}, "versions": entries})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _of(catalog: Catalog, group: str, version: str) -> list[Resource]:
    return [r for r in catalog.all() if r.group == group and r.version == version]


def _aggregated_resource(resource: Resource) -> Obj:
    entry: Obj = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": dict(zip(("group", "version", "kind"), _kind_of(resource, name), strict=True)),
                "verbs": _SUBRESOURCE_VERBS.get(name, ["create"]),
            }
            for name in sorted(resource.subresources)
        ]
    return entry


def _kind_of(resource: Resource, subresource: str) -> tuple[str, str, str]:
    return _RESPONSE_KINDS.get(subresource, (resource.group, resource.version, resource.kind))


def api_versions(address: str) -> Obj:
    """``/api``."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(catalog: Catalog) -> Obj:
    """``/apis``."""
    groups = [api_group(catalog, group) for group in catalog.group_versions() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(catalog: Catalog, group: str) -> Obj:
    """``/apis/<group>``; without versions when the group is not served."""
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version}
        for version in catalog.group_versions().get(group, [])
    ]
    result: Obj = {"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": versions}
    if versions:
        result["preferredVersion"] = versions[0]
    return result


def resource_list(catalog: Catalog, group: str, version: str) -> Obj:
    """``/api/v1`` or ``/apis/<group>/<version>``."""
    entries = []
    for resource in _of(catalog, group, version):
        entry: Obj = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short:
            entry["shortNames"] = list(resource.short)
        if resource.categories:
            entry["categories"] = list(resource.categories)
        entries.append(entry)
        for name in sorted(resource.subresources):
            sub_group, sub_version, kind = _kind_of(resource, name)
            entries.append(
                {
                    "name": f"{resource.plural}/{name}",
                    "singularName": "",
                    "namespaced": resource.namespaced,
                    "group": sub_group,
                    "version": sub_version,
                    "kind": kind,
                    "verbs": _SUBRESOURCE_VERBS.get(name, ["create"]),
                }
            )
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}
