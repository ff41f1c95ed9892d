"""What EKS allows in a node group, and what it fills in."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from rehearsal.aws.eks import capacity, network, versions
from rehearsal.aws.eks.state import Cluster, Data, Eks
from rehearsal.aws.errors import invalid_parameter, invalid_request
from rehearsal.aws.local import client
from rehearsal.aws.protocol import Call

_DEFAULT_AMI = {"x86_64": "AL2023_x86_64_STANDARD", "arm64": "AL2023_ARM_64_STANDARD"}
_LAST_AL2_MINOR = 32
_KUBELET_SKEW = 3
_RESERVED_LABELS = ("kubernetes.io/", "k8s.io/", "eks.amazonaws.com/")


def new_nodegroup_data(eks: Eks, cluster: Cluster, call: Call) -> Data:
    """The public face of a new node group, after every check AWS makes on the request."""
    names = {"clusterName": cluster.name, "nodegroupName": call["nodegroupName"]}
    template = launch_template(call.params, call.region, names)
    types = _instance_types(call, template, names)
    ami_type = call.get("amiType") or _DEFAULT_AMI[_architecture(types)]
    version = call.get("version") or cluster.data["version"]
    require_version(cluster, version, ami_type, names)
    _require_subnets(cluster, call, names)
    scaling = {"minSize": 1, "maxSize": 2, "desiredSize": 2, **call.get("scalingConfig", {})}
    require_scaling(scaling, names)
    require_labels(call.get("labels", {}), names)
    now = eks.clock.now()
    data: Data = {
        "nodegroupName": call["nodegroupName"],
        "clusterName": cluster.name,
        "version": version,
        "releaseVersion": call.get("releaseVersion") or release_version(version),
        "createdAt": now,
        "modifiedAt": now,
        "status": "CREATING",
        "capacityType": call.get("capacityType", "ON_DEMAND"),
        "scalingConfig": scaling,
        "instanceTypes": types,
        "subnets": list(call["subnets"]),
        "amiType": ami_type,
        "nodeRole": call["nodeRole"],
        "labels": dict(call.get("labels", {})),
        "taints": list(call.get("taints", [])),
        "health": {"issues": []},
        "updateConfig": call.get("updateConfig") or {"maxUnavailable": 1, "updateStrategy": "DEFAULT"},
        "tags": dict(call.get("tags", {})),
    }
    if template:
        data["launchTemplate"] = template
    else:
        data["diskSize"] = call.get("diskSize", 20)
        if call.get("remoteAccess"):
            data["remoteAccess"] = call["remoteAccess"]
    for name in ("nodeRepairConfig", "warmPoolConfig"):
        if call.get(name):
            data[name] = call[name]
    return data


def release_version(version: str) -> str:
    """An AMI release version of a Kubernetes minor version: patch release and build date."""
    return f"{versions.patch_version(version)}-20261110"


def require_scaling(scaling: dict[str, int], names: Data) -> None:
    """Refuse sizes that contradict each other."""
    low, desired, high = scaling["minSize"], scaling["desiredSize"], scaling["maxSize"]
    if low > desired:
        raise invalid_parameter(f"Minimum capacity {low} can't be greater than desired size {desired}", **names)
    if desired > high:
        raise invalid_parameter(f"desired capacity {desired} can't be greater than max size {high}", **names)


def require_labels(labels: dict[str, str], names: Data) -> None:
    """Refuse labels in namespaces that belong to Kubernetes or EKS."""
    for key in labels:
        prefix = key.rpartition("/")[0] + "/"
        if any(prefix == reserved or prefix.endswith("." + reserved) for reserved in _RESERVED_LABELS):
            raise invalid_parameter(
                f"Label cannot contain reserved prefixes [kubernetes.io/, k8s.io/, eks.amazonaws.com/]: {key!r}",
                **names,
            )


def require_version(cluster: Cluster, version: str, ami_type: str, names: Data) -> None:
    """Refuse a node version that the control plane cannot work with, or for which EKS builds no such image."""
    if version not in versions.calendar()["versions"]:
        raise invalid_parameter(f"unsupported Kubernetes version {version!r}", **names)
    control_plane = versions.minor(cluster.data["version"])
    if not control_plane - _KUBELET_SKEW <= versions.minor(version) <= control_plane:
        raise invalid_parameter(
            f"Nodegroup Kubernetes version {version} does not fit cluster version {cluster.data['version']}: nodes may "
            f"be up to {_KUBELET_SKEW} minor versions older than the control plane and never newer",
            **names,
        )
    if ami_type.startswith("AL2_") and versions.minor(version) > _LAST_AL2_MINOR:
        raise invalid_parameter(
            f"AMI Type {ami_type} is only supported for kubernetes versions 1.32 or earlier; use "
            "AL2023_x86_64_STANDARD, AL2023_ARM_64_STANDARD or a Bottlerocket type",
            **names,
        )


def launch_template(params: Any, region: str, names: Data) -> Data | None:
    """The launch template of a request, found in EC2 and with its version resolved to a number; None without one."""
    asked = params.get("launchTemplate")
    if not asked:
        return None
    if params.get("diskSize"):
        raise invalid_parameter("Disk size must be specified within the launch template.", **names)
    if params.get("remoteAccess"):
        raise invalid_parameter("Remote access configuration cannot be specified with a launch template.", **names)
    if bool(asked.get("id")) == bool(asked.get("name")):
        raise invalid_parameter("launchTemplate needs either id or name, not both", **names)
    selector = {"LaunchTemplateId": asked["id"]} if asked.get("id") else {"LaunchTemplateName": asked["name"]}
    try:
        found = client("ec2", region).describe_launch_template_versions(
            **selector, Versions=[str(asked.get("version") or "$Default")]
        )["LaunchTemplateVersions"]
    except ClientError as error:
        raise invalid_parameter(error.response["Error"]["Message"], **names) from error
    if not found:
        raise invalid_parameter(f"Launch template {selector} has no version {asked.get('version')}", **names)
    return {
        "id": found[0]["LaunchTemplateId"],
        "name": found[0]["LaunchTemplateName"],
        "version": str(found[0]["VersionNumber"]),
    }


def template_data(template: Data, region: str) -> dict[str, Any]:
    """What a launch template version says."""
    versions_found = client("ec2", region).describe_launch_template_versions(
        LaunchTemplateId=template["id"], Versions=[template["version"]]
    )["LaunchTemplateVersions"]
    data: dict[str, Any] = versions_found[0]["LaunchTemplateData"]
    return data


def _instance_types(call: Call, template: Data | None, names: Data) -> list[str]:
    in_template = template_data(template, call.region).get("InstanceType") if template else None
    if in_template and call.get("instanceTypes"):
        raise invalid_parameter("Instance types cannot be given both in the launch template and the request", **names)
    types: list[str] = [in_template] if in_template else list(call.get("instanceTypes", ["t3.medium"]))
    unknown = [name for name in types if capacity.instance_type(name) is None]
    if unknown:
        raise invalid_parameter(f"The following supplied instance types do not exist: [{', '.join(unknown)}]", **names)
    architectures = {_architecture([name]) for name in types}
    if len(architectures) > 1:
        raise invalid_parameter(f"Instance types {types} mix the architectures {sorted(architectures)}", **names)
    asked = call.get("amiType", "")
    if asked and asked != "CUSTOM" and ("ARM_64" in asked) != (architectures == {"arm64"}):
        raise invalid_parameter(
            f"[{', '.join(types)}] is not a valid instance type for requested amiType {asked}", **names
        )
    return types


def _architecture(types: list[str]) -> str:
    kind = capacity.instance_type(types[0])
    return "arm64" if kind and "arm64" in kind.architectures else "x86_64"


def _require_subnets(cluster: Cluster, call: Call, names: Data) -> None:
    if not call["subnets"]:
        raise invalid_parameter("subnets must not be empty", **names)
    subnets = network.subnets_of(call["subnets"], call.region, **names)
    vpc_id = cluster.data["resourcesVpcConfig"]["vpcId"]
    for subnet in subnets:
        if subnet["VpcId"] != vpc_id:
            raise invalid_request(
                f"Subnet {subnet['SubnetId']} is in {subnet['VpcId']}; the cluster's VPC is {vpc_id}", **names
            )
        network.require_free_addresses(subnet, 1, **names)
