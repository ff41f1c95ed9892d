"""Where moto was lax or wrong: dependencies in a VPC, conditional writes, identities."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.rehearsal.aws.conftest import Aws, Platform


def _refused(code: str, call: Any, **request: Any) -> None:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["Error"]["Code"] == code


def test_vpc_is_taken_down_in_one_order_only(aws: Aws, platform: Platform) -> None:
    ec2 = aws.client("ec2")
    subnet = platform.subnets[0]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=platform.vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)["NatGateway"]["NatGatewayId"]
    used = ec2.create_security_group(GroupName="used", Description="d", VpcId=platform.vpc)["GroupId"]
    other = ec2.create_security_group(GroupName="other", Description="d", VpcId=platform.vpc)["GroupId"]
    pair = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "UserIdGroupPairs": [{"GroupId": used}]}
    ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[pair])
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[other])["NetworkInterface"]["NetworkInterfaceId"]

    _refused("DependencyViolation", ec2.delete_vpc, VpcId=platform.vpc)
    _refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnet)
    _refused("DependencyViolation", ec2.delete_security_group, GroupId=used)
    _refused("DependencyViolation", ec2.delete_security_group, GroupId=other)
    _refused("DependencyViolation", ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=platform.vpc)
    _refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=address)
    _refused("NatGatewayNotFound", ec2.delete_nat_gateway, NatGatewayId="nat-0123")
    _refused("InvalidGroup.NotFound", ec2.create_network_interface, SubnetId=subnet, Groups=["sg-0123"])
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [platform.vpc]}])["SecurityGroups"]
    default = next(group["GroupId"] for group in groups if group["GroupName"] == "default")
    _refused("CannotDelete", ec2.delete_security_group, GroupId=default)

    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.release_address(AllocationId=address)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=platform.vpc)
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_security_group(GroupId=other)
    ec2.delete_security_group(GroupId=used)
    for each in platform.subnets:
        ec2.delete_subnet(SubnetId=each)
    ec2.delete_vpc(VpcId=platform.vpc)


def test_load_balancer_holds_its_subnets_and_groups(aws: Aws, platform: Platform) -> None:
    ec2, elb = aws.client("ec2"), aws.client("elbv2")
    group = ec2.create_security_group(GroupName="lb", Description="d", VpcId=platform.vpc)["GroupId"]
    balancer = elb.create_load_balancer(Name="lb", Subnets=platform.subnets[:2], SecurityGroups=[group])
    _refused("DependencyViolation", ec2.delete_subnet, SubnetId=platform.subnets[0])
    _refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    elb.delete_load_balancer(LoadBalancerArn=balancer["LoadBalancers"][0]["LoadBalancerArn"])
    ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=platform.subnets[0])


def test_instance_holds_its_subnet_until_it_ends(aws: Aws, platform: Platform) -> None:
    ec2 = aws.client("ec2")
    subnet = platform.subnets[0]
    free = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"]
    run = ec2.run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, SubnetId=subnet)
    instance = run["Instances"][0]
    interface = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    _refused("DependencyViolation", ec2.delete_subnet, SubnetId=subnet)
    _refused("InvalidParameterValue", ec2.delete_network_interface, NetworkInterfaceId=interface)
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"] == free
    ec2.delete_subnet(SubnetId=subnet)


def test_conditional_writes_of_s3(aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="slipway-lease")
    lease = {"Bucket": "slipway-lease", "Key": "lease.json"}
    tag = s3.put_object(**lease, Body=b"1", IfNoneMatch="*")["ETag"]
    _refused("PreconditionFailed", s3.put_object, **lease, Body=b"2", IfNoneMatch="*")
    renewed = s3.put_object(**lease, Body=b"2", IfMatch=tag)["ETag"]
    _refused("PreconditionFailed", s3.put_object, **lease, Body=b"3", IfMatch=tag)
    _refused("NoSuchKey", s3.put_object, Bucket="slipway-lease", Key="absent", Body=b"3", IfMatch=tag)
    _refused("PreconditionFailed", s3.delete_object, **lease, IfMatch=tag)
    assert s3.get_object(**lease)["Body"].read() == b"2"
    s3.delete_object(**lease, IfMatch=renewed)
    _refused("NoSuchKey", s3.get_object, **lease)


def test_one_of_many_concurrent_writers_wins(aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="slipway-lease")
    lease = {"Bucket": "slipway-lease", "Key": "lease.json"}

    def attempt(number: int, **condition: str) -> int | None:
        try:
            s3.put_object(**lease, Body=str(number).encode(), **condition)
        except s3.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            return None
        return number

    with ThreadPoolExecutor(10) as pool:
        created = [n for n in pool.map(lambda n: attempt(n, IfNoneMatch="*"), range(20)) if n is not None]
        tag = s3.head_object(**lease)["ETag"]
        renewed = [n for n in pool.map(lambda n: attempt(n, IfMatch=tag), range(20, 40)) if n is not None]
    assert (len(created), len(renewed)) == (1, 1)
    assert s3.get_object(**lease)["Body"].read() == str(renewed[0]).encode()


def test_identity_of_an_unknown_key_is_an_iam_user(aws: Aws) -> None:
    found = aws.client("sts").get_caller_identity()
    assert (found["Account"], found["Arn"]) == ("123456789012", "arn:aws:iam::123456789012:user/rehearsal")
