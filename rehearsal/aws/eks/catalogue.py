"""The add-on catalogue: which add-ons and versions fit which Kubernetes version, and how they are configured."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import yaml

from rehearsal.aws.eks import nodes
from rehearsal.aws.eks.state import Cluster, Eks
from rehearsal.aws.errors import invalid_parameter, not_found
from rehearsal.aws.protocol import Call, page

_COMPUTE_TYPES = ["ec2", "hybrid", "auto"]


@lru_cache(maxsize=1)
def _addons() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data" / "addons.yaml").read_text())
    addons: dict[str, Any] = loaded["addons"]
    return addons


def entry(name: str) -> dict[str, Any]:
    """An add-on's entry, or ``InvalidParameterException``."""
    found: dict[str, Any] | None = _addons().get(name)
    if found is None:
        raise invalid_parameter(
            f"Addon {name} specified is not supported; EKS offers {', '.join(sorted(_addons()))}", addonName=name
        )
    return found


def resolve_version(cluster: Cluster, name: str, asked: str | None) -> str:
    """The version asked for, or the default for the cluster's Kubernetes version; unfit ones are refused."""
    kubernetes = cluster.data["version"]
    fitting = [v["version"] for v in entry(name)["versions"] if kubernetes in v["kubernetes"]]
    if not fitting:
        raise invalid_parameter(f"Addon {name} has no version for Kubernetes {kubernetes}", addonName=name)
    if asked is None:
        return str(fitting[0])
    if asked not in fitting:
        raise invalid_parameter(
            f"Addon version specified is not supported: {name} {asked} on Kubernetes {kubernetes}; "
            f"fitting are {', '.join(fitting)}",
            clusterName=cluster.name,
            addonName=name,
        )
    return asked


def require_step(name: str, current: str, wanted: str) -> None:
    """Refuse to skip a minor version of an add-on that must be updated one minor at a time (vpc-cni)."""
    if not entry(name).get("one_minor_per_step"):
        return
    distance = abs(_minor(wanted) - _minor(current))
    if distance > 1:
        raise invalid_parameter(
            f"Updating {name} from {current} to {wanted} skips {distance - 1} minor version(s); update one minor "
            "version at a time",
            addonName=name,
        )


def require_configuration(name: str, text: str | None) -> None:
    """Refuse configuration values that are not a mapping or do not fit the add-on's schema."""
    try:
        values = nodes.parse_configuration(text)
        jsonschema.validate(values, _schema(name))
    except (ValueError, jsonschema.ValidationError) as error:
        reason = error.message if isinstance(error, jsonschema.ValidationError) else str(error)
        raise invalid_parameter(
            f"ConfigurationValue provided in request is not supported: Json schema validation failed with error: "
            f"[{reason}]. DescribeAddonConfiguration has the schema",
            addonName=name,
        ) from error


def describe_addon_versions(eks: Eks, call: Call) -> dict[str, Any]:
    """The catalogue, filtered as asked."""
    wanted, kubernetes = call.get("addonName"), call.get("kubernetesVersion")
    rows = []
    for name, addon in sorted(_addons().items()):
        row = _row(name, addon, kubernetes)
        matches = (
            (wanted in (None, name))
            and row["addonVersions"]
            and all(row[key] in call.get(key + "s", [row[key]]) for key in ("type", "publisher", "owner"))
        )
        if matches:
            rows.append(row)
    if wanted and wanted not in _addons():
        raise not_found(f"Addon {wanted} is not offered", addonName=wanted)
    shown, more = page(rows, call)
    return {"addons": shown, **more}


def describe_addon_configuration(eks: Eks, call: Call) -> dict[str, Any]:
    """JSON schema of an add-on's configuration values, and the pod identities it wants."""
    name, version = call["addonName"], call["addonVersion"]
    addon = _addons().get(name)
    if addon is None or version not in [v["version"] for v in addon["versions"]]:
        raise not_found(f"Addon {name} {version} is not offered", addonName=name)
    return {
        "addonName": name,
        "addonVersion": version,
        "configurationSchema": json.dumps(_schema(name)),
        "podIdentityConfiguration": addon.get("identity", []),
    }


def compatible_versions(name: str, kubernetes: str) -> list[str]:
    """The versions of an add-on that run on a Kubernetes version, newest first."""
    return [v["version"] for v in entry(name)["versions"] if kubernetes in v["kubernetes"]]


def _row(name: str, addon: dict[str, Any], kubernetes: str | None) -> dict[str, Any]:
    return {
        "addonName": name,
        "type": addon["type"],
        "publisher": addon.get("publisher", "eks"),
        "owner": addon.get("owner", "aws"),
        "defaultNamespace": addon.get("namespace", "kube-system"),
        "addonVersions": [
            {
                "addonVersion": version["version"],
                "architecture": ["amd64", "arm64"],
                "computeTypes": _COMPUTE_TYPES,
                "compatibilities": [
                    {
                        "clusterVersion": minor,
                        "platformVersions": ["*"],
                        "defaultVersion": compatible_versions(name, minor)[0] == version["version"],
                    }
                    for minor in reversed(version["kubernetes"])
                    if kubernetes in (None, minor)
                ],
                "requiresConfiguration": False,
                "requiresIamPermissions": bool(addon.get("iam")),
            }
            for version in addon["versions"]
            if kubernetes is None or kubernetes in version["kubernetes"]
        ],
    }


def _schema(name: str) -> dict[str, Any]:
    kinds = entry(name).get("schema", {})
    return {
        "$schema": "http://json-schema.org/draft-06/schema#",
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in kinds.items()},
    }


def _minor(version: str) -> int:
    return int(version.lstrip("v").split(".")[1])
