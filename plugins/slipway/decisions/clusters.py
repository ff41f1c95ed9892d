"""The EKS cluster we want, and how the live one differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from slipway.model.platform import Platform

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What a cluster is made of, out of the platform's stacks.

    :param nat_addresses: public addresses of the nodes' way out.
    """

    role_arn: str
    subnet_ids: tuple[str, ...]
    secrets_key_arn: str
    nat_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterUpdate:
    """One update: EKS takes one kind of change at a time.

    :param call: method of the EKS client.
    :param arguments: what it takes besides the cluster's name.
    """

    fields: tuple[str, ...]
    call: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterDrift:
    """How a live cluster differs.

    :param updates: what can be changed in place, in the order to do it.
    :param left_alone: differences this stage does not touch, each with the reason.
    :param immutable: differences that only a new cluster would mend.
    """

    updates: tuple[ClusterUpdate, ...]
    left_alone: tuple[str, ...]
    immutable: tuple[str, ...]


def create_request(platform: Platform, facts: ClusterFacts) -> dict[str, Any]:
    """Arguments of ``CreateCluster``, the client request token left out.

    The creator gets no hidden administrator rights: the access task gives every principal its entry, its own too.
    EKS's self-managed add-ons are left out, since the managed ones come before the first node.
    """
    cluster = platform.environment.cluster
    return {
        "name": platform.cluster_name,
        "version": cluster.version,
        "roleArn": facts.role_arn,
        "resourcesVpcConfig": {"subnetIds": list(facts.subnet_ids), **_endpoint(platform, facts)},
        "logging": _logging(cluster.logs),
        "encryptionConfig": _encryption(facts),
        "accessConfig": {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False},
        "bootstrapSelfManagedAddons": False,
        "upgradePolicy": {"supportType": cluster.support.upper()},
        "deletionProtection": cluster.deletion_protection,
        "tags": platform.tags,
    }


def drift(live: Mapping[str, Any], platform: Platform, facts: ClusterFacts) -> ClusterDrift:
    """Compare a live cluster with what the environment says, in the fields that are ours."""
    wanted = create_request(platform, facts)
    found = [
        _authentication(live),
        _endpoint_update(live, wanted),
        _subnets_update(live, wanted),
        _logging_update(live, wanted),
        _simple(live, wanted, "upgradePolicy", "supportType"),
        _deletion_protection(live, wanted),
        _encryption_update(live, facts),
        _tags_update(live, wanted),
    ]
    left_alone = []
    if live["version"] != wanted["version"]:
        left_alone.append(
            f"version is {live['version']}, the environment says {wanted['version']}; "
            "deploying never changes it, the upgrade DAG does"
        )
    immutable = []
    if live["roleArn"] != wanted["roleArn"]:
        immutable.append(f"roleArn is {live['roleArn']}, wanted {wanted['roleArn']}")
    key = _secrets_key(live)
    if key not in {"", facts.secrets_key_arn}:
        immutable.append(f"encryptionConfig has key {key}, wanted {facts.secrets_key_arn}")
    return ClusterDrift(tuple(update for update in found if update), tuple(left_alone), tuple(immutable))


def _endpoint(platform: Platform, facts: ClusterFacts) -> dict[str, Any]:
    endpoint = platform.environment.cluster.endpoint
    config: dict[str, Any] = {
        "endpointPublicAccess": endpoint.public,
        "endpointPrivateAccess": endpoint.private,
    }
    if endpoint.public:
        # Without the private endpoint, nodes reach the API from outside.
        own = [] if endpoint.private else [f"{address}/32" for address in facts.nat_addresses]
        config["publicAccessCidrs"] = sorted({*endpoint.public_cidrs, *own})
    return config


def _logging(types: list[Any]) -> dict[str, Any]:
    off = [kind for kind in LOG_TYPES if kind not in types]
    setups = [
        {"types": [kind for kind in LOG_TYPES if kind in types], "enabled": True},
        {"types": off, "enabled": False},
    ]
    return {"clusterLogging": [setup for setup in setups if setup["types"]]}


def _encryption(facts: ClusterFacts) -> list[dict[str, Any]]:
    return [{"resources": ["secrets"], "provider": {"keyArn": facts.secrets_key_arn}}]


def _authentication(live: Mapping[str, Any]) -> ClusterUpdate | None:
    present = live.get("accessConfig", {}).get("authenticationMode")
    if present == "API":
        return None
    # EKS goes this way in two steps, and never back.
    mode = {"authenticationMode": "API_AND_CONFIG_MAP" if present == "CONFIG_MAP" else "API"}
    return ClusterUpdate(("accessConfig.authenticationMode",), "update_cluster_config", {"accessConfig": mode})


def _endpoint_update(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> ClusterUpdate | None:
    config = {key: value for key, value in wanted["resourcesVpcConfig"].items() if key != "subnetIds"}
    present = live["resourcesVpcConfig"]
    fields = [key for key, value in config.items() if _sorted(present.get(key)) != _sorted(value)]
    if not fields:
        return None
    names = tuple(f"resourcesVpcConfig.{key}" for key in fields)
    return ClusterUpdate(names, "update_cluster_config", {"resourcesVpcConfig": config})


def _subnets_update(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> ClusterUpdate | None:
    subnets = wanted["resourcesVpcConfig"]["subnetIds"]
    if sorted(live["resourcesVpcConfig"]["subnetIds"]) == sorted(subnets):
        return None
    config = {"subnetIds": subnets}
    return ClusterUpdate(("resourcesVpcConfig.subnetIds",), "update_cluster_config", {"resourcesVpcConfig": config})


def _logging_update(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> ClusterUpdate | None:
    if _enabled(live.get("logging", {})) == _enabled(wanted["logging"]):
        return None
    return ClusterUpdate(("logging",), "update_cluster_config", {"logging": wanted["logging"]})


def _simple(live: Mapping[str, Any], wanted: Mapping[str, Any], section: str, name: str) -> ClusterUpdate | None:
    if live.get(section, {}).get(name) == wanted[section][name]:
        return None
    return ClusterUpdate((f"{section}.{name}",), "update_cluster_config", {section: wanted[section]})


def _deletion_protection(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> ClusterUpdate | None:
    if bool(live.get("deletionProtection", False)) == wanted["deletionProtection"]:
        return None
    argument = {"deletionProtection": wanted["deletionProtection"]}
    return ClusterUpdate(("deletionProtection",), "update_cluster_config", argument)


def _encryption_update(live: Mapping[str, Any], facts: ClusterFacts) -> ClusterUpdate | None:
    if _secrets_key(live):
        return None
    argument = {"encryptionConfig": _encryption(facts)}
    return ClusterUpdate(("encryptionConfig",), "associate_encryption_config", argument)


def _tags_update(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> ClusterUpdate | None:
    missing = {key: value for key, value in wanted["tags"].items() if live.get("tags", {}).get(key) != value}
    if not missing:
        return None
    return ClusterUpdate(tuple(f"tags.{key}" for key in sorted(missing)), "tag_resource", {"tags": missing})


def _enabled(logging: Mapping[str, Any]) -> set[str]:
    return {kind for setup in logging.get("clusterLogging", []) if setup.get("enabled") for kind in setup["types"]}


def _secrets_key(live: Mapping[str, Any]) -> str:
    keys = [
        config["provider"]["keyArn"]
        for config in live.get("encryptionConfig") or []
        if "secrets" in config.get("resources", [])
    ]
    return str(keys[0]) if keys else ""


def _sorted(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value
