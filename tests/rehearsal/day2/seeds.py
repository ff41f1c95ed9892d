"""What a platform's controllers make outside of CloudFormation, and what other people have in the same account."""

from __future__ import annotations

import json
from typing import Any

from slipway.hooks.cloudformation import CloudFormationHook
from slipway.model.platform import Platform, Stack

from tests.rehearsal.infrastructure.conftest import REGION, Aws


def network_of(platform: Platform) -> dict[str, str]:
    """Outputs of the platform's network stack."""
    outputs = CloudFormationHook(platform.region).outputs(platform, Stack.NETWORK)
    assert outputs
    return outputs


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def left_by_controllers(aws: Aws, platform: Platform) -> list[str]:
    """A load balancer with its groups, volumes, interfaces and log groups, marked as the controllers mark them."""
    ec2, name = aws.client("ec2"), platform.cluster_name
    network = network_of(platform)
    subnets = network["PublicSubnetIds"].split(",")
    owned = {f"kubernetes.io/cluster/{name}": "owned"}
    group = ec2.create_security_group(
        GroupName="k8s-apps-maze-0123456789", Description="[k8s] Managed SecurityGroup", VpcId=network["VpcId"]
    )["GroupId"]
    ec2.create_tags(Resources=[group], Tags=tag_list({"elbv2.k8s.aws/cluster": name}))
    backend = ec2.create_security_group(
        GroupName=f"k8s-traffic-{name}-abc", Description="[k8s] Shared Backend SecurityGroup", VpcId=network["VpcId"]
    )["GroupId"]
    # They name each other, as load balancer groups do.
    for one, other in ((group, backend), (backend, group)):
        ec2.authorize_security_group_ingress(
            GroupId=one, IpPermissions=[{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": other}]}]
        )
    elb = aws.client("elbv2")
    balancer = elb.create_load_balancer(
        Name=f"k8s-maze-{name[-12:]}",
        Subnets=subnets[:2],
        SecurityGroups=[group],
        Tags=tag_list({"elbv2.k8s.aws/cluster": name, "service.k8s.aws/stack": "apps/maze"}),
    )["LoadBalancers"][0]["LoadBalancerArn"]
    targets = elb.create_target_group(
        Name=f"k8s-tg-{name[-12:]}",
        Protocol="HTTP",
        Port=80,
        VpcId=network["VpcId"],
        Tags=tag_list({"elbv2.k8s.aws/cluster": name}),
    )["TargetGroups"][0]["TargetGroupArn"]
    volumes = [
        ec2.create_volume(
            Size=20,
            AvailabilityZone=f"{REGION}a",
            VolumeType="gp3",
            TagSpecifications=[
                {
                    "ResourceType": "volume",
                    "Tags": tag_list({**owned, "kubernetes.io/created-for/pvc/name": f"data-kafka-{index}"}),
                }
            ],
        )["VolumeId"]
        for index in range(2)
    ]
    interface = ec2.create_network_interface(
        SubnetId=subnets[0], Description="aws-K8S-i-0123456789abcdef0", Groups=[backend]
    )["NetworkInterface"]["NetworkInterfaceId"]
    log_group = f"/aws/containerinsights/{name}/custom"
    aws.client("logs").create_log_group(logGroupName=log_group)
    return [group, backend, balancer, targets, *volumes, interface, log_group]


class Neighbours:
    """Other people's things in the same account and region."""

    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        ec2, iam = aws.client("ec2"), aws.client("iam")
        self.vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
        zones = (f"{REGION}a", f"{REGION}b")
        self.subnets = [
            ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.99.{number}.0/24", AvailabilityZone=zone)["Subnet"][
                "SubnetId"
            ]
            for number, zone in enumerate(zones)
        ]
        self.volume = ec2.create_volume(Size=5, AvailabilityZone=zones[0])["VolumeId"]
        self.group = ec2.create_security_group(
            GroupName="k8s-apps-theirs-0123456789", Description="theirs", VpcId=self.vpc
        )["GroupId"]
        self.balancer = aws.client("elbv2").create_load_balancer(Name="theirs", Subnets=self.subnets)["LoadBalancers"][
            0
        ]["LoadBalancerArn"]
        aws.client("logs").create_log_group(logGroupName="/aws/eks/theirs/cluster")
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        role = iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        aws.client("eks").create_cluster(
            name="theirs", roleArn=role, resourcesVpcConfig={"subnetIds": self.subnets}, tags={"owner": "them"}
        )
        self.before = self.look()

    def look(self) -> dict[str, Any]:
        """What is there of theirs."""
        ec2 = self.aws.client("ec2")
        return {
            "vpc": len(ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"]),
            "subnets": len(ec2.describe_subnets(SubnetIds=self.subnets)["Subnets"]),
            "volume": ec2.describe_volumes(VolumeIds=[self.volume])["Volumes"][0]["State"],
            "group": len(ec2.describe_security_groups(GroupIds=[self.group])["SecurityGroups"]),
            "balancer": len(
                self.aws.client("elbv2").describe_load_balancers(LoadBalancerArns=[self.balancer])["LoadBalancers"]
            ),
            "cluster": self.aws.client("eks").describe_cluster(name="theirs")["cluster"]["name"],
            "log group": len(
                self.aws.client("logs").describe_log_groups(logGroupNamePrefix="/aws/eks/theirs")["logGroups"]
            ),
        }
