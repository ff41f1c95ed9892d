"""The machines behind nodes: EC2 instances as the AWS side reports them, or made up where it reports none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from rehearsal.kubernetes.objects import Obj, dig, labels_of, name_of

ZONE = "topology.kubernetes.io/zone"
_REQUIRED = ("instanceId", "zone", "privateIpAddress")


@dataclass(frozen=True)
class Machine:
    """What a node takes over from its instance.

    :ivar instance: instance id, or a whole provider id.
    :ivar host: private DNS name, which is the node's name.
    :ivar address: private IPv4 address.
    """

    instance: str
    zone: str
    host: str
    address: str

    @property
    def provider_id(self) -> str:
        """As the AWS cloud provider writes it: ``aws:///<zone>/<instance id>``."""
        return self.instance if self.instance.startswith("aws://") else f"aws:///{self.zone}/{self.instance}"


def instance_of(node: Obj) -> str:
    """The instance id in a node's provider id."""
    return str(dig(node, "spec", "providerID", default="")).rsplit("/", 1)[-1]


def reported(spec: Obj, region: str) -> list[Machine] | None:
    """The group's EC2 instances; None when the AWS side names none and they are to be made up."""
    instances = spec.get("instances")
    if instances is None:
        return None
    return [
        Machine(
            entry["instanceId"],
            entry["zone"],
            entry.get("privateDnsName") or _host(entry["privateIpAddress"], region),
            entry["privateIpAddress"],
        )
        for entry in instances
    ]


def made_up(seed: str, zone: str, region: str, instance: str | None) -> Machine:
    """A machine that is the same for the same ``seed``.

    :param instance: its id where one is given.
    """
    digest = hashlib.sha256(seed.encode()).digest()
    address = f"10.0.{digest[0] % 96}.{digest[1] or 1}"
    return Machine(instance or f"i-{digest.hex()[:17]}", zone, _host(address, region), address)


def emptiest(zones: Sequence[str], nodes: Sequence[Obj]) -> str:
    """The zone with the fewest of ``nodes``, the first of them when several have as few."""
    counts = {zone: sum(labels_of(node).get(ZONE) == zone for node in nodes) for zone in zones}
    return min(zones, key=lambda zone: (counts[zone], zones.index(zone)))


def problem(spec: Obj) -> str | None:
    """What is wrong with ``spec.instances``, None when nothing is."""
    instances = spec.get("instances")
    if instances is None:
        return None
    if not isinstance(instances, list):
        return f"instances: a list is required, found {type(instances).__name__}"
    for index, entry in enumerate(instances):
        missing = [field for field in _REQUIRED if not isinstance(entry, dict) or not entry.get(field)]
        if missing:
            return f"instances[{index}]: missing: {', '.join(missing)}"
    return None


def describe(node: Obj, ready: bool) -> Obj:
    """A node as the admin API shows it."""
    zone = labels_of(node).get(ZONE, "")
    return {"name": name_of(node), "zone": zone, "instanceId": instance_of(node), "ready": ready}


def _host(address: str, region: str) -> str:
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{address.replace('.', '-')}.{domain}"
