"""Changes of a running cluster: its Kubernetes version, forward and back, and its configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rehearsal.aws import durations
from rehearsal.aws.eks import access, network, versions
from rehearsal.aws.eks.clusters import kubernetes_body, logging_config
from rehearsal.aws.eks.logs import ensure_log_group
from rehearsal.aws.eks.state import Cluster, Data, Eks
from rehearsal.aws.eks.updates import begin, require_idle
from rehearsal.aws.errors import invalid_parameter, invalid_request
from rehearsal.aws.protocol import Call

_ROLLBACK_WINDOW = timedelta(days=7)
_ROLLBACK_TIMEOUT_MINUTES = (120, 10080)
_KUBELET_SKEW = 3
_MODES = ["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"]


def update_cluster_version(eks: Eks, call: Call) -> dict[str, Any]:
    """Go one minor version forward, or back to the previous one within seven days of the upgrade."""
    cluster, wanted = eks.cluster(call), call["version"]
    require_idle(cluster, "update the version")
    current = cluster.data["version"]
    names = {"clusterName": cluster.name}
    step = versions.minor(wanted) - versions.minor(current) if wanted in versions.calendar()["versions"] else None
    if step == 1:
        _require_upgradable(eks, cluster, wanted)
        kind = "VersionUpdate"
    elif step == -1:
        _require_rollback(eks, cluster, call)
        kind = "VersionRollback"
    elif step == 0:
        raise invalid_parameter(f"Cluster is already at version {current}", **names)
    else:
        raise invalid_parameter(
            f"Unsupported Kubernetes minor version update from {current} to {wanted}; one minor version at a time",
            **names,
        )
    params = {"Version": wanted, "PlatformVersion": versions.platform_version(wanted)}
    changes = {"version": wanted, "platformVersion": params["PlatformVersion"]}
    cluster.data["status"] = "UPDATING"
    return {"update": begin(eks, cluster, kind, params, changes, durations.CLUSTER_VERSION_UPDATE)}


def update_cluster_config(eks: Eks, call: Call) -> dict[str, Any]:
    """Change one kind of configuration."""
    cluster = eks.cluster(call)
    asked = [name for name in _KINDS if call.params.get(name) is not None]
    if len(asked) != 1:
        raise invalid_parameter(
            f"Only one type of update can be specified; found {', '.join(asked) or 'none'}, allowed is one of "
            f"{', '.join(_KINDS)}",
            clusterName=cluster.name,
        )
    require_idle(cluster, "update the configuration")
    kind, params, changes = _KINDS[asked[0]](cluster, call)
    if all(cluster.data.get(key) == value for key, value in changes.items()):
        raise invalid_parameter("No changes needed for the cluster configuration", clusterName=cluster.name)
    cluster.data["status"] = "UPDATING"
    return {"update": begin(eks, cluster, kind, params, changes, durations.CLUSTER_CONFIG_UPDATE)}


def associate_encryption_config(eks: Eks, call: Call) -> dict[str, Any]:
    """Encrypt secrets with a customer's key; it cannot be undone."""
    cluster = eks.cluster(call)
    require_idle(cluster, "associate an encryption configuration")
    if cluster.data["encryptionConfig"]:
        raise invalid_parameter("Encryption is already enabled on this cluster", clusterName=cluster.name)
    cluster.data["status"] = "UPDATING"
    changes = {"encryptionConfig": call["encryptionConfig"]}
    params = {"EncryptionConfig": call["encryptionConfig"]}
    seconds = durations.CLUSTER_CONFIG_UPDATE
    return {"update": begin(eks, cluster, "AssociateEncryptionConfig", params, changes, seconds)}


def finish_update(eks: Eks, region: str, name: str, update_id: str) -> None:
    """An update of the cluster itself takes effect."""
    with eks.lock:
        cluster = eks.find(region, name)
        update = cluster.updates.get(update_id) if cluster else None
        if cluster is None or update is None or update.data["status"] != "InProgress":
            return
        version = update.changes.get("version")
    if version:
        eks.kubernetes.put_cluster(cluster.kubernetes_id, kubernetes_body(cluster, version))
    with eks.lock:
        if update.data["type"] == "VersionUpdate":
            cluster.upgraded = {"from": cluster.data["version"], "at": eks.clock.now()}
        elif update.data["type"] == "VersionRollback":
            cluster.upgraded = None
        cluster.data.update(update.changes)
        # EKS checks again after a change; ids stay.
        cluster.insights.clear()
        ensure_log_group(cluster)
        access.add_creator(eks, cluster)
        update.data["status"] = "Successful"
        cluster.data["status"] = "ACTIVE"
    access.publish(eks, cluster)


def _require_upgradable(eks: Eks, cluster: Cluster, wanted: str) -> None:
    support_type = cluster.data["upgradePolicy"]["supportType"]
    versions.require_offered(wanted, support_type, eks.clock.now())
    too_old = {
        name: group.data["version"]
        for name, group in cluster.nodegroups.items()
        if versions.minor(wanted) - versions.minor(group.data["version"]) > _KUBELET_SKEW
    }
    if too_old:
        raise invalid_parameter(
            f"Nodegroups {too_old} are more than {_KUBELET_SKEW} minor versions behind {wanted}; update them first",
            clusterName=cluster.name,
        )
    for subnet in network.subnets_of(cluster.data["resourcesVpcConfig"]["subnetIds"], cluster.region):
        network.require_free_addresses(subnet, 5, clusterName=cluster.name)


def _require_rollback(eks: Eks, cluster: Cluster, call: Call) -> None:
    names = {"clusterName": cluster.name}
    wanted, upgraded = call["version"], cluster.upgraded
    if upgraded is None or upgraded["from"] != wanted:
        raise invalid_request(
            f"Cluster {cluster.name} cannot be rolled back to {wanted}: it was not upgraded from that version", **names
        )
    age = eks.clock.now() - upgraded["at"]
    if age > _ROLLBACK_WINDOW:
        raise invalid_request(
            f"Cluster {cluster.name} was upgraded {age.days} days ago; rollback is possible for 7 days", **names
        )
    if versions.support(wanted, eks.clock.now()) == "EXTENDED_SUPPORT" and (
        cluster.data["upgradePolicy"]["supportType"] != "EXTENDED"
    ):
        raise invalid_request(
            f"{wanted} is in extended support; set upgradePolicy.supportType to EXTENDED first", **names
        )
    low, high = _ROLLBACK_TIMEOUT_MINUTES
    timeout = call.get("rollbackConfig", {}).get("timeoutMinutes", 720)
    if not low <= timeout <= high:
        raise invalid_parameter(f"rollbackConfig.timeoutMinutes is {timeout}; allowed is {low}-{high}", **names)
    newer = sorted(
        name
        for name, group in cluster.nodegroups.items()
        if versions.minor(group.data["version"]) > versions.minor(wanted)
    )
    if newer and not call.get("force"):
        raise invalid_request(
            f"Nodegroups {', '.join(newer)} run a version newer than {wanted}; roll them back with "
            "UpdateNodegroupVersion first, or use force",
            **names,
        )


_Change = tuple[str, dict[str, Any], Data]


def _vpc(cluster: Cluster, call: Call) -> _Change:
    asked = call["resourcesVpcConfig"]
    config = {**cluster.data["resourcesVpcConfig"], **{k: v for k, v in asked.items() if v is not None}}
    changed = {key for key, value in config.items() if cluster.data["resourcesVpcConfig"].get(key) != value}
    names = {"clusterName": cluster.name}
    network.require_endpoint_access(config, **names)
    if "subnetIds" in changed:
        vpc_ids = {
            s["VpcId"] for s in network.require_cluster_subnets(config["subnetIds"], cluster.region, cluster.name)
        }
        if vpc_ids != {config["vpcId"]}:
            raise invalid_parameter(f"Subnets must stay in the cluster's VPC {config['vpcId']}", **names)
    network.require_security_groups(config["securityGroupIds"], config["vpcId"], cluster.region, **names)
    leaves_managed = cluster.data["resourcesVpcConfig"]["controlPlaneEgressMode"] != "AWS_MANAGED"
    if leaves_managed and config["controlPlaneEgressMode"] == "AWS_MANAGED":
        raise invalid_parameter("controlPlaneEgressMode cannot return to AWS_MANAGED", **names)
    params = {
        "EndpointPublicAccess": config["endpointPublicAccess"],
        "EndpointPrivateAccess": config["endpointPrivateAccess"],
        "PublicAccessCidrs": config["publicAccessCidrs"],
        "Subnets": config["subnetIds"] if "subnetIds" in changed else None,
        "SecurityGroups": config["securityGroupIds"] if "securityGroupIds" in changed else None,
        "ControlPlaneEgressMode": config["controlPlaneEgressMode"] if "controlPlaneEgressMode" in changed else None,
    }
    if changed <= {"endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"}:
        kind = "EndpointAccessUpdate"
    else:
        kind = "ControlPlaneEgressUpdate" if changed == {"controlPlaneEgressMode"} else "VpcConfigUpdate"
    return kind, params, {"resourcesVpcConfig": config}


def _logging(cluster: Cluster, call: Call) -> _Change:
    now_on = {t for s in cluster.data["logging"]["clusterLogging"] if s["enabled"] for t in s["types"]}
    for setup in call["logging"].get("clusterLogging", []):
        types = set(setup.get("types", []))
        now_on = now_on | types if setup.get("enabled") else now_on - types
    config = logging_config([{"types": sorted(now_on), "enabled": True}])
    return "LoggingUpdate", {"ClusterLogging": config}, {"logging": config}


def _access(cluster: Cluster, call: Call) -> _Change:
    current, wanted = cluster.data["accessConfig"]["authenticationMode"], call["accessConfig"].get("authenticationMode")
    if wanted not in _MODES or _MODES.index(wanted) < _MODES.index(current):
        raise invalid_parameter(
            f"Unsupported authentication mode update from {current} to {wanted}; the way leads from CONFIG_MAP over "
            "API_AND_CONFIG_MAP to API and not back",
            clusterName=cluster.name,
        )
    config = {**cluster.data["accessConfig"], "authenticationMode": wanted}
    return "AccessConfigUpdate", {"AuthenticationMode": wanted}, {"accessConfig": config}


def _simple(member: str, kind: str, param: str) -> Callable[[Cluster, Call], _Change]:
    def change(cluster: Cluster, call: Call) -> _Change:
        return kind, {param: call[member]}, {member: call[member]}

    return change


_KINDS: dict[str, Callable[[Cluster, Call], _Change]] = {
    "resourcesVpcConfig": _vpc,
    "logging": _logging,
    "accessConfig": _access,
    "upgradePolicy": _simple("upgradePolicy", "UpgradePolicyUpdate", "UpgradePolicy"),
    "zonalShiftConfig": _simple("zonalShiftConfig", "ZonalShiftConfigUpdate", "ZonalShiftConfig"),
    "computeConfig": _simple("computeConfig", "AutoModeUpdate", "ComputeConfig"),
    "storageConfig": _simple("storageConfig", "AutoModeUpdate", "StorageConfig"),
    "kubernetesNetworkConfig": _simple("kubernetesNetworkConfig", "AutoModeUpdate", "KubernetesNetworkConfig"),
    "remoteNetworkConfig": _simple("remoteNetworkConfig", "RemoteNetworkConfigUpdate", "RemoteNetworkConfig"),
    "deletionProtection": _simple("deletionProtection", "DeletionProtectionUpdate", "DeletionProtection"),
    "controlPlaneScalingConfig": _simple("controlPlaneScalingConfig", "ControlPlaneScalingConfigUpdate", "UpdatedTier"),
    "kubeApiServerConfig": _simple("kubeApiServerConfig", "ControlPlaneComponentConfigUpdate", "KubeApiServerConfig"),
    "kubeSchedulerConfig": _simple("kubeSchedulerConfig", "ControlPlaneComponentConfigUpdate", "KubeSchedulerConfig"),
    "kubeControllerManagerConfig": _simple(
        "kubeControllerManagerConfig", "ControlPlaneComponentConfigUpdate", "KubeControllerManagerConfig"
    ),
}
