"""EC2 networking: what is in use cannot be deleted, as on AWS (``DependencyViolation`` and its relatives)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.ec2.exceptions import DependencyViolationError, EC2ClientError, InvalidSecurityGroupNotFoundError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface, NetworkInterfaceBackend
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend

from rehearsal.aws.moto_fixes.wrapping import around

# Interfaces with these descriptions belong to a service; a customer cannot delete them.
_OF_SERVICES = ("Amazon EKS ", "ELB ", "EFS mount target")
_acting = threading.local()


@contextmanager
def as_service() -> Iterator[None]:
    """Act as an AWS service, which may delete its own network interfaces."""
    _acting.as_service = True
    try:
        yield
    finally:
        _acting.as_service = False


def install() -> None:
    """Correct the deletions."""
    around(SubnetBackend, "delete_subnet", _delete_subnet)
    around(SecurityGroupBackend, "delete_security_group", _delete_security_group)
    around(VPCBackend, "delete_vpc", _delete_vpc)
    around(InternetGatewayBackend, "detach_internet_gateway", _detach_internet_gateway)
    around(NatGatewayBackend, "delete_nat_gateway", _delete_nat_gateway)
    around(NetworkInterfaceBackend, "create_network_interface", _create_network_interface)
    around(NetworkInterfaceBackend, "delete_network_interface", _delete_network_interface)
    around(NetworkInterface, "delete", _end_with_instance)
    around(ElasticAddressBackend, "release_address", _release_address)


def _delete_subnet(original: Callable[..., Any], backend: Any, subnet_id: str) -> Any:
    interfaces = [eni.id for eni in backend.enis.values() if eni.subnet.id == subnet_id]
    balancers = [b.name for b in _load_balancers(backend) if subnet_id in [s.id for s in b.subnets]]
    if interfaces or balancers:
        raise DependencyViolationError(
            f"The subnet '{subnet_id}' has dependencies and cannot be deleted. ({_named(interfaces + balancers)})"
        )
    return original(backend, subnet_id)


def _delete_security_group(
    original: Callable[..., Any], backend: Any, name: str | None = None, group_id: str | None = None
) -> Any:
    group = backend.get_security_group_from_id(group_id) if group_id else None
    if group is not None and not getattr(_acting, "deletes_vpc", False):
        if group.name == "default":
            raise EC2ClientError(
                "CannotDelete", f'the specified group: "{group_id}" name: "default" cannot be deleted by a user'
            )
        users = [eni.id for eni in backend.enis.values() if group_id in [g.id for g in eni.group_set]]
        users += [b.name for b in _load_balancers(backend) if group_id in (b.security_groups or [])]
        users += _referring_groups(backend, str(group_id))
        if users:
            raise DependencyViolationError(f"resource {group_id} has a dependent object ({_named(users)})")
    return original(backend, name, group_id)


def _delete_vpc(original: Callable[..., Any], backend: Any, vpc_id: str) -> Any:
    users = [g.id for g in backend.internet_gateways.values() if g.vpc and g.vpc.id == vpc_id]
    users += [g.id for g in backend.groups.get(vpc_id, {}).values() if g.name != "default"]
    users += [eni.id for eni in backend.enis.values() if eni.subnet.vpc_id == vpc_id]
    users += [e.id for e in backend.vpc_end_points.values() if e.vpc_id == vpc_id and e.state != "deleted"]
    users += [g.id for g in backend.nat_gateways.values() if g.vpc_id == vpc_id and g.state != "deleted"]
    users += [a.id for a in backend.network_acls.values() if a.vpc_id == vpc_id and str(a.default).lower() != "true"]
    if users:
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted. ({_named(users)})")
    _acting.deletes_vpc = True
    try:
        return original(backend, vpc_id)
    finally:
        _acting.deletes_vpc = False


def _detach_internet_gateway(original: Callable[..., Any], backend: Any, internet_gateway_id: str, vpc_id: str) -> Any:
    mapped = [eni.id for eni in backend.enis.values() if eni.subnet.vpc_id == vpc_id and eni.public_ip]
    if mapped:
        raise DependencyViolationError(
            f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before "
            f"detaching the gateway. ({_named(mapped)})"
        )
    return original(backend, internet_gateway_id, vpc_id)


def _delete_nat_gateway(original: Callable[..., Any], backend: Any, nat_gateway_id: str) -> Any:
    gateway = backend.nat_gateways.get(nat_gateway_id)
    if gateway is None:
        raise EC2ClientError("NatGatewayNotFound", f"The Nat Gateway {nat_gateway_id} was not found")
    if gateway.state != "deleted":
        for address in backend.addresses:
            if address.eni is gateway._eni:
                backend.disassociate_address(address=address.public_ip)
        backend.enis.pop(gateway._eni.id, None)
    return original(backend, nat_gateway_id)


def _create_network_interface(
    original: Callable[..., Any],
    backend: Any,
    subnet: Any,
    private_ip_address: Any,
    private_ip_addresses: Any = None,
    group_ids: list[str] | None = None,
    *arguments: Any,
    **options: Any,
) -> Any:
    for group_id in group_ids or []:
        if backend.get_security_group_from_id(group_id) is None:
            raise InvalidSecurityGroupNotFoundError(group_id)
    return original(backend, subnet, private_ip_address, private_ip_addresses, group_ids, *arguments, **options)


def _delete_network_interface(original: Callable[..., Any], backend: Any, eni_id: str) -> Any:
    interface = backend.enis.get(eni_id)
    if interface is not None and not getattr(_acting, "as_service", False):
        if interface.attachment_id or any(g._eni is interface for g in _live_nat_gateways(backend)):
            raise EC2ClientError("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")
        if interface.description.startswith(_OF_SERVICES):
            raise EC2ClientError(
                "OperationNotPermitted",
                f"Network interface '{eni_id}' ({interface.description}) is managed by an AWS service; it goes with "
                "that service's resource",
            )
    result = original(backend, eni_id)
    if interface is not None:
        for address in interface.private_ip_addresses:
            interface.subnet.del_subnet_ip(address["PrivateIpAddress"])
    return result


def _end_with_instance(original: Callable[..., Any], interface: Any) -> Any:
    interface.attachment_id = None
    return original(interface)


def _release_address(
    original: Callable[..., Any], backend: Any, address: str | None = None, allocation_id: str | None = None
) -> Any:
    for found in backend.addresses:
        named = (allocation_id and found.allocation_id == allocation_id) or (address and found.public_ip == address)
        if named and found.association_id:
            raise EC2ClientError("InvalidIPAddress.InUse", f"Address {found.public_ip} is in use.")
    return original(backend, address, allocation_id)


def _live_nat_gateways(backend: Any) -> list[Any]:
    return [gateway for gateway in backend.nat_gateways.values() if gateway.state != "deleted"]


def _referring_groups(backend: Any, group_id: str) -> list[str]:
    return [
        other.id
        for groups in backend.groups.values()
        for other in groups.values()
        if other.id != group_id
        for rule in [*other.ingress_rules, *other.egress_rules]
        if group_id == (rule.source_group or {}).get("GroupId")
    ]


def _load_balancers(backend: Any) -> list[Any]:
    from moto.elbv2.models import elbv2_backends

    return list(elbv2_backends[backend.account_id][backend.region_name].load_balancers.values())


def _named(ids: list[str]) -> str:
    shown = ", ".join(sorted(set(ids))[:5])
    return shown if len(set(ids)) <= 5 else f"{shown} and {len(set(ids)) - 5} more"
