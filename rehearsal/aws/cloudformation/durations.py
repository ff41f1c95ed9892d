"""How long AWS takes over each resource, in seconds of real time, before compression.

A stack's duration is the longest path through its dependencies. NAT gateways dominate a network: about two
minutes to make and over one to delete, which brings network.yaml to some three minutes.
"""

from __future__ import annotations

_DEFAULT = (5.0, 5.0)
_SECONDS = {  # create, delete
    "AWS::Budgets::Budget": (5.0, 3.0),
    "AWS::CloudTrail::Trail": (6.0, 4.0),
    "AWS::EC2::EIP": (16.0, 12.0),
    "AWS::EC2::InternetGateway": (16.0, 2.0),
    "AWS::EC2::NatGateway": (110.0, 65.0),
    "AWS::EC2::RouteTable": (11.0, 2.0),
    "AWS::EC2::VPC": (12.0, 2.0),
    "AWS::EC2::VPCGatewayAttachment": (6.0, 6.0),
    "AWS::IAM::Role": (18.0, 3.0),
    "AWS::KMS::Alias": (15.0, 3.0),
    "AWS::KMS::Key": (20.0, 4.0),
    "AWS::S3::Bucket": (20.0, 3.0),
}
_INTERFACE_ENDPOINT = (60.0, 60.0)


def seconds(resource_type: str, properties: dict[str, object], deleting: bool = False) -> float:
    """Seconds that AWS takes to make (or change), or to delete, such a resource."""
    pair = _SECONDS.get(resource_type, _DEFAULT)
    if properties.get("VpcEndpointType") == "Interface":
        pair = _INTERFACE_ENDPOINT
    return pair[1] if deleting else pair[0]
