"""Clusters: create, describe, list, delete."""

from __future__ import annotations

import secrets
from typing import Any

from rehearsal.aws import durations
from rehearsal.aws.eks import access, iam, network, versions
from rehearsal.aws.eks.bootstrap import install_self_managed_addons
from rehearsal.aws.eks.logs import ensure_log_group
from rehearsal.aws.eks.state import Cluster, Data, Eks
from rehearsal.aws.eks.updates import require_idle
from rehearsal.aws.errors import AwsError, in_use, invalid_parameter, invalid_request
from rehearsal.aws.protocol import Call, page

_LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
_CLUSTERS_PER_REGION = 100
_CONFIGS = (
    "zonalShiftConfig",
    "remoteNetworkConfig",
    "controlPlaneScalingConfig",
    "kubeApiServerConfig",
    "kubeSchedulerConfig",
    "kubeControllerManagerConfig",
)


def create_cluster(eks: Eks, call: Call) -> dict[str, Any]:
    """Start a control plane; it is ACTIVE some ten minutes (of AWS's time) later."""
    name = call["name"]
    if (call.region, name) in eks.clusters:
        raise in_use(f"Cluster already exists with name: {name}", clusterName=name)
    if sum(1 for _ in eks.in_region(call.region)) >= _CLUSTERS_PER_REGION:
        raise AwsError(
            "ResourceLimitExceededException", f"Maximum of {_CLUSTERS_PER_REGION} clusters reached", clusterName=name
        )
    version = call.get("version") or versions.default_version()
    support_type = call.get("upgradePolicy", {}).get("supportType", "EXTENDED")
    versions.require_offered(version, support_type, eks.clock.now())
    iam.require_role(call["roleArn"], iam.CLUSTER_SERVICE, call.region, clusterName=name)
    _require_consistent_auto_mode(call)
    cluster = _new_cluster(eks, call, version)
    config = cluster.data["resourcesVpcConfig"]
    config["clusterSecurityGroupId"] = network.create_cluster_security_group(cluster)
    cluster.network_interfaces = network.create_control_plane_interfaces(cluster)
    ensure_log_group(cluster)
    eks.clusters[call.region, name] = cluster
    eks.later(durations.CLUSTER_CREATE, "activate-cluster", call.region, name)
    return {"cluster": cluster.data}


def describe_cluster(eks: Eks, call: Call) -> dict[str, Any]:
    """One cluster."""
    return {"cluster": eks.cluster(call).data}


def list_clusters(eks: Eks, call: Call) -> dict[str, Any]:
    """Names of the clusters of a region."""
    shown, more = page([cluster.name for cluster in eks.in_region(call.region)], call)
    return {"clusters": shown, **more}


def delete_cluster(eks: Eks, call: Call) -> dict[str, Any]:
    """Start deleting a cluster that has no node groups left."""
    cluster = eks.cluster(call)
    if cluster.data["deletionProtection"]:
        raise invalid_request(
            f"Cluster {cluster.name} has deletionProtection; disable it with UpdateClusterConfig first",
            clusterName=cluster.name,
        )
    if cluster.nodegroups:
        raise in_use(
            f"Cluster has nodegroups attached: {', '.join(sorted(cluster.nodegroups))}", clusterName=cluster.name
        )
    if cluster.data["status"] != "FAILED":
        require_idle(cluster, "delete")
    cluster.data["status"] = "DELETING"
    eks.later(durations.CLUSTER_DELETE, "remove-cluster", cluster.region, cluster.name)
    return {"cluster": cluster.data}


def activate(eks: Eks, region: str, name: str) -> None:
    """The control plane is up: ask the Kubernetes side for it and publish endpoint and certificate authority."""
    with eks.lock:
        cluster = eks.find(region, name)
        if cluster is None or cluster.data["status"] != "CREATING":
            return
    made = eks.kubernetes.put_cluster(cluster.kubernetes_id, kubernetes_body(cluster))
    install_self_managed_addons(eks, cluster)
    with eks.lock:
        cluster.data["endpoint"] = made["endpoint"]
        cluster.data["certificateAuthority"] = {"data": made["certificateAuthority"]}
        cluster.data["health"] = {"issues": []}
        access.add_creator(eks, cluster)
        cluster.data["status"] = "ACTIVE"
    access.publish(eks, cluster)


def remove(eks: Eks, region: str, name: str) -> None:
    """The control plane is gone: so are its network interfaces, its security group and its Kubernetes side."""
    with eks.lock:
        cluster = eks.find(region, name)
        if cluster is None or cluster.data["status"] != "DELETING":
            return
    eks.kubernetes.delete_cluster(cluster.kubernetes_id)
    with eks.lock:
        # The control plane's last log lines arrive late, and bring a log group back that was deleted before.
        ensure_log_group(cluster)
        network.delete_network(cluster)
        eks.clusters.pop((region, name), None)


def kubernetes_body(cluster: Cluster, version: str | None = None) -> dict[str, Any]:
    """The cluster as the Kubernetes side wants it."""
    return {
        "name": cluster.name,
        "region": cluster.region,
        "version": version or cluster.data["version"],
        "creatorArn": cluster.creator_arn,
        "bootstrapCreatorAdmin": cluster.creator_is_admin,
    }


def logging_config(setups: list[Data]) -> Data:
    """Log types split into switched on and off, as EKS shows them."""
    on = {kind for setup in setups if setup.get("enabled") for kind in setup.get("types", [])}
    groups = (([kind for kind in _LOG_TYPES if (kind in on) is enabled], enabled) for enabled in (True, False))
    return {"clusterLogging": [{"types": types, "enabled": enabled} for types, enabled in groups if types]}


def _new_cluster(eks: Eks, call: Call, version: str) -> Cluster:
    name, region, account = call["name"], call.region, call.caller.account
    partition = call.caller.arn.split(":")[1]
    admin = call.get("accessConfig", {}).get("bootstrapClusterCreatorAdminPermissions", True)
    data: Data = {
        "name": name,
        "arn": f"arn:{partition}:eks:{region}:{account}:cluster/{name}",
        "createdAt": eks.clock.now(),
        "version": version,
        "roleArn": call["roleArn"],
        "resourcesVpcConfig": _vpc_config(call),
        "kubernetesNetworkConfig": _network_config(call.get("kubernetesNetworkConfig", {})),
        "logging": logging_config(call.get("logging", {}).get("clusterLogging", [])),
        "identity": {"oidc": {"issuer": f"https://oidc.eks.{region}.amazonaws.com/id/{secrets.token_hex(16).upper()}"}},
        "status": "CREATING",
        "certificateAuthority": {},
        "clientRequestToken": call.get("clientRequestToken"),
        "platformVersion": versions.platform_version(version),
        "tags": dict(call.get("tags", {})),
        "encryptionConfig": call.get("encryptionConfig", []),
        "health": {"issues": []},
        "accessConfig": {"authenticationMode": call.get("accessConfig", {}).get("authenticationMode", "CONFIG_MAP")},
        "upgradePolicy": {"supportType": call.get("upgradePolicy", {}).get("supportType", "EXTENDED")},
        "computeConfig": call.get("computeConfig", {"enabled": False}),
        "storageConfig": call.get("storageConfig", {"blockStorage": {"enabled": False}}),
        "deletionProtection": call.get("deletionProtection", False),
    }
    data["accessConfig"]["bootstrapClusterCreatorAdminPermissions"] = admin
    data.update({key: call[key] for key in _CONFIGS if call.get(key)})
    data.setdefault("controlPlaneScalingConfig", {"tier": "standard"})
    return Cluster(
        region=region,
        account=account,
        data=data,
        creator_arn=iam.identity_arn(call.caller.arn),
        creator_is_admin=admin,
        self_managed_addons=call.get("bootstrapSelfManagedAddons", True),
    )


def _vpc_config(call: Call) -> Data:
    asked, name = call["resourcesVpcConfig"], call["name"]
    if len(asked.get("subnetIds") or []) < 2:
        raise invalid_parameter("Subnets specified must be in at least two different AZs", clusterName=name)
    subnets = network.require_cluster_subnets(asked["subnetIds"], call.region, name)
    vpc_id = subnets[0]["VpcId"]
    network.require_security_groups(asked.get("securityGroupIds", []), vpc_id, call.region, clusterName=name)
    config = {
        "subnetIds": list(asked["subnetIds"]),
        "securityGroupIds": list(asked.get("securityGroupIds", [])),
        "vpcId": vpc_id,
        "endpointPublicAccess": asked.get("endpointPublicAccess", True),
        "endpointPrivateAccess": asked.get("endpointPrivateAccess", False),
        "publicAccessCidrs": list(asked.get("publicAccessCidrs") or ["0.0.0.0/0"]),
        "controlPlaneEgressMode": asked.get("controlPlaneEgressMode", "AWS_MANAGED"),
    }
    network.require_endpoint_access(config, clusterName=name)
    return config


def _network_config(asked: Data) -> Data:
    return {
        "serviceIpv4Cidr": asked.get("serviceIpv4Cidr", "10.100.0.0/16"),
        "ipFamily": asked.get("ipFamily", "ipv4"),
        "elasticLoadBalancing": asked.get("elasticLoadBalancing", {"enabled": False}),
    }


def _require_consistent_auto_mode(call: Call) -> None:
    switches = {
        "computeConfig.enabled": call.get("computeConfig", {}).get("enabled", False),
        "storageConfig.blockStorage.enabled": call.get("storageConfig", {})
        .get("blockStorage", {})
        .get("enabled", False),
        "kubernetesNetworkConfig.elasticLoadBalancing.enabled": call.get("kubernetesNetworkConfig", {})
        .get("elasticLoadBalancing", {})
        .get("enabled", False),
    }
    if len(set(switches.values())) > 1:
        raise invalid_parameter(
            f"For EKS Auto Mode, please ensure that all required configs, including {', '.join(switches)} are all "
            f"either fully enabled or fully disabled; found {switches}",
            clusterName=call["name"],
        )
