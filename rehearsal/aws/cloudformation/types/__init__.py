"""The resource types that the rehearsal's CloudFormation has; what nobody can make is refused by name."""

from __future__ import annotations

from rehearsal.aws.cloudformation.types import by_moto, ec2, ec2_links, ec2_rules, observability, security, storage
from rehearsal.aws.cloudformation.types.base import Handler

_OURS: dict[str, Handler] = {
    "AWS::Budgets::Budget": observability.Budget(),
    "AWS::CloudTrail::Trail": observability.Trail(),
    "AWS::EC2::EIP": ec2.Address(),
    "AWS::EC2::FlowLog": ec2.FlowLog(),
    "AWS::EC2::InternetGateway": ec2.InternetGateway(),
    "AWS::EC2::LaunchTemplate": ec2_rules.LaunchTemplate(),
    "AWS::EC2::NatGateway": ec2.NatGateway(),
    "AWS::EC2::Route": ec2_links.Route(),
    "AWS::EC2::RouteTable": ec2.RouteTable(),
    "AWS::EC2::SecurityGroup": ec2_rules.SecurityGroup(),
    "AWS::EC2::Subnet": ec2.Subnet(),
    "AWS::EC2::SubnetRouteTableAssociation": ec2_links.RouteTableAssociation(),
    "AWS::EC2::VPC": ec2.Vpc(),
    "AWS::EC2::VPCEndpoint": ec2_links.VpcEndpoint(),
    "AWS::EC2::VPCGatewayAttachment": ec2_links.GatewayAttachment(),
    "AWS::IAM::Role": security.Role(),
    "AWS::KMS::Alias": security.Alias(),
    "AWS::KMS::Key": security.Key(),
    "AWS::Logs::LogGroup": observability.LogGroup(),
    "AWS::S3::Bucket": storage.Bucket(),
    "AWS::S3::BucketPolicy": storage.BucketPolicy(),
}


def handler(resource_type: str) -> Handler:
    """What makes, changes and deletes resources of that type."""
    return _OURS.get(resource_type) or by_moto.ByMoto(resource_type)


def knows(resource_type: str) -> bool:
    """Whether there is a handler for that type."""
    return resource_type in _OURS or by_moto.knows(resource_type)
