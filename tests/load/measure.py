"""What a process and the cloud hold, and whether it grows."""

from __future__ import annotations

import gc
import json
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import psutil

from rehearsal.cloud import Cloud

MIB = 1024 * 1024


@dataclass(frozen=True)
class Flat:
    """What may be called flat.

    :param per_cycle: growth for each cycle up to which a number counts as flat.
    :param why: where that much comes from.
    """

    unit: str
    per_cycle: float
    why: str


# By what is measured. Memory that an allocator keeps comes and goes in steps, hence the tolerance.
LIMITS: Mapping[str, Flat] = {
    "driver memory": Flat("KiB", 40.0, "caches of clients and of rendered manifests fill up in the first cycles"),
    "driver files": Flat("open files", 0.05, "nothing stays open"),
    "driver threads": Flat("threads", 0.05, "pools end with their task"),
    "driver objects": Flat("Python objects", 60.0, "interned strings and types of responses"),
    "AWS files": Flat("open files", 0.1, "nothing stays open"),
    "Kubernetes files": Flat("open files", 0.1, "a cluster's listener closes with it"),
    "Kubernetes memory": Flat("KiB", 60.0, "a cluster's objects go with it"),
    "buckets": Flat("buckets", 0.0, "a teardown that keeps nothing leaves none"),
    "stored objects": Flat("objects", 0.0, "a teardown that keeps nothing leaves none"),
    "live stacks": Flat("stacks", 0.0, "all are deleted"),
    "clusters": Flat("clusters", 0.0, "all are deleted"),
    "network interfaces": Flat("interfaces", 0.0, "all are deleted"),
}
# Measured and told, not judged: moto keeps what AWS forgets after a while (deleted stacks, keys that wait their days).
TOLD: Mapping[str, str] = {
    "AWS memory": "KiB: moto keeps deleted stacks, their events and keys that wait for their deletion, as AWS does "
    "for 90 and 7 days; a real account is not this process",
    "keys that wait": "keys: AWS keeps each for 7 days",
}


def sample(cloud: Cloud, clients: Mapping[str, Any]) -> dict[str, float]:
    """One look, after a collection of garbage."""
    gc.collect()
    me = psutil.Process()
    aws, kubernetes = (psutil.Process(child.pid) for child in cloud._children.values())
    s3, keys = clients["s3"], clients["kms"]
    buckets = [one["Name"] for one in s3.list_buckets()["Buckets"]]
    stacks = clients["cloudformation"].list_stacks()["StackSummaries"]
    return {
        "driver memory": me.memory_info().rss / 1024,
        "driver files": me.num_fds(),
        "driver threads": me.num_threads(),
        "driver objects": len(gc.get_objects()),
        "AWS memory": aws.memory_info().rss / 1024,
        "AWS files": aws.num_fds(),
        "Kubernetes memory": kubernetes.memory_info().rss / 1024,
        "Kubernetes files": kubernetes.num_fds(),
        "buckets": len(buckets),
        "stored objects": sum(len(s3.list_objects_v2(Bucket=one).get("Contents", [])) for one in buckets),
        "live stacks": sum(one["StackStatus"] != "DELETE_COMPLETE" for one in stacks),
        "clusters": len(_get(f"{cloud.admin_url}/clusters")),
        "network interfaces": len(clients["ec2"].describe_network_interfaces()["NetworkInterfaces"]),
        "keys that wait": len(keys.list_keys()["Keys"]),
    }


def growth(values: Sequence[float]) -> float:
    """Growth for each cycle: the slope of the line that fits best, the first third left out.

    The first cycles fill caches and make what is made once.
    """
    settled = list(values)[len(values) // 3 :]
    if len(settled) < 3:
        raise ValueError(f"{len(values)} cycles tell no growth; run at least 5")
    middle = (len(settled) - 1) / 2
    mean = fmean(settled)
    above = sum((index - middle) * (value - mean) for index, value in enumerate(settled))
    return above / sum((index - middle) ** 2 for index in range(len(settled)))


def _get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return json.load(answer)
