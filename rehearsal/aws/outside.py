"""What a cluster's controllers make in AWS, outside of CloudFormation and EKS: volumes and load balancers.

The Kubernetes side says that a volume or a load balancer is there or gone; this makes it so in EC2 and ELB, marked
as the EBS CSI driver and the AWS Load Balancer Controller mark theirs. A cluster that is deleted says nothing, so
what its controllers made stays behind, as it does on AWS.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from rehearsal.aws.eks.state import Cluster, Eks
from rehearsal.aws.local import client

_DRIVER = "aws-ebs-csi-driver"


class Outside:
    """Answers ``/_rehearsal/outside/<region>.<cluster>/<volumes|load-balancers>/<name>``."""

    def __init__(self, eks: Eks) -> None:
        self._eks = eks

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """PUT makes, DELETE removes; both may be repeated."""
        cluster_id, kind, name = path.removeprefix("/_rehearsal/outside/").split("/", 2)
        region, _, cluster_name = cluster_id.partition(".")
        cluster = self._eks.find(region, cluster_name)
        if kind == "volumes":
            if method == "DELETE":
                self._delete_volume(region, name)
            elif cluster is not None:
                self._put_volume(cluster, name, body)
        elif kind == "load-balancers":
            if method == "DELETE":
                self._delete_balancer(region, name)
            elif cluster is not None and not self._put_balancer(cluster, name, body):
                problem = f"no subnet of {cluster_name}'s VPC has the tag kubernetes.io/role/elb; tag one and repeat"
                return {"error": problem}, 503
        else:
            return {"error": f"unknown kind {kind}; volumes and load-balancers exist"}, 404
        return {"status": "ok"}, 200

    def _put_volume(self, cluster: Cluster, handle: str, body: dict[str, Any]) -> None:
        backend = ec2_backends[DEFAULT_ACCOUNT_ID][cluster.region]
        if handle in backend.volumes:
            return
        tags = {
            f"kubernetes.io/cluster/{cluster.name}": "owned",
            "ebs.csi.aws.com/cluster": "true",
            "CSIVolumeName": body["name"],
            "kubernetes.io/created-for/pv/name": body["name"],
            "kubernetes.io/created-for/pvc/name": body["claim"],
            "kubernetes.io/created-for/pvc/namespace": body["namespace"],
            **_extra_tags(cluster),
        }
        made = client("ec2", cluster.region).create_volume(
            AvailabilityZone=body["zone"] or f"{cluster.region}a",
            Size=body["gib"],
            VolumeType=body.get("type") or "gp3",
            TagSpecifications=[
                {"ResourceType": "volume", "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            ],
        )["VolumeId"]
        # The Kubernetes side has named it already.
        volume = backend.volumes.pop(made)
        volume.id = handle
        backend.volumes[handle] = volume
        backend.tags[handle] = backend.tags.pop(made, {})

    @staticmethod
    def _delete_volume(region: str, handle: str) -> None:
        with suppress(ClientError):
            client("ec2", region).delete_volume(VolumeId=handle)

    @staticmethod
    def _put_balancer(cluster: Cluster, name: str, body: dict[str, Any]) -> bool:
        """Whether it is there now; without a public subnet nothing is made."""
        if _balancer(cluster.region, name):
            return True
        elb, ec2 = client("elbv2", cluster.region), client("ec2", cluster.region)
        vpc = cluster.data["resourcesVpcConfig"]["vpcId"]
        found = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
        public = {
            subnet["AvailabilityZone"]: subnet["SubnetId"]
            for subnet in found
            if any(tag["Key"] == "kubernetes.io/role/elb" for tag in subnet.get("Tags", []))
        }
        if not public:
            return False
        tags = [
            {"Key": "elbv2.k8s.aws/cluster", "Value": cluster.name},
            {"Key": "service.k8s.aws/stack", "Value": f"{body['namespace']}/{body['service']}"},
            {"Key": "service.k8s.aws/resource", "Value": "LoadBalancer"},
        ]
        group = _group(ec2, f"{name}-sg", vpc, tags)
        elb.create_load_balancer(
            Name=name, Type="network", Subnets=list(public.values()), SecurityGroups=[group], Tags=tags
        )
        return True

    @staticmethod
    def _delete_balancer(region: str, name: str) -> None:
        elb, ec2 = client("elbv2", region), client("ec2", region)
        if arn := _balancer(region, name):
            elb.delete_load_balancer(LoadBalancerArn=arn)
        groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [f"{name}-sg"]}])
        for group in groups["SecurityGroups"]:
            with suppress(ClientError):
                ec2.delete_security_group(GroupId=group["GroupId"])


def _group(ec2: Any, name: str, vpc: str, tags: list[dict[str, str]]) -> str:
    """Id of the load balancer's security group, which an attempt that ended half way may have left there."""
    filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc]}]
    if found := ec2.describe_security_groups(Filters=filters)["SecurityGroups"]:
        return str(found[0]["GroupId"])
    made = ec2.create_security_group(
        GroupName=name, Description="[k8s] Managed SecurityGroup for LoadBalancer", VpcId=vpc
    )["GroupId"]
    ec2.create_tags(Resources=[made], Tags=tags)
    return str(made)


def _balancer(region: str, name: str) -> str | None:
    try:
        found = client("elbv2", region).describe_load_balancers(Names=[name])["LoadBalancers"]
    except ClientError:
        return None
    return str(found[0]["LoadBalancerArn"]) if found else None


def _extra_tags(cluster: Cluster) -> dict[str, str]:
    """``controller.extraVolumeTags`` of the driver's add-on."""
    addon = cluster.addons.get(_DRIVER)
    if addon is None or not addon.data.get("configurationValues"):
        return {}
    import yaml

    values = yaml.safe_load(addon.data["configurationValues"]) or {}
    return {str(key): str(value) for key, value in values.get("controller", {}).get("extraVolumeTags", {}).items()}
