"""Tags of clusters and of everything in them, by ARN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rehearsal.aws.eks.state import Cluster, Data, Eks
from rehearsal.aws.errors import AwsError
from rehearsal.aws.protocol import Call

_MOST_TAGS = 50


def tag_resource(eks: Eks, call: Call) -> dict[str, Any]:
    """Add or change tags."""
    resource = _resource(eks, call)
    tags = {**resource["tags"], **call["tags"]}
    if len(tags) > _MOST_TAGS:
        raise AwsError("BadRequestException", f"{len(tags)} tags on {call['resourceArn']}; at most {_MOST_TAGS}")
    resource["tags"].update(call["tags"])
    return {}


def untag_resource(eks: Eks, call: Call) -> dict[str, Any]:
    """Remove tags."""
    resource = _resource(eks, call)
    for key in call["tagKeys"]:
        resource["tags"].pop(key, None)
    return {}


def list_tags_for_resource(eks: Eks, call: Call) -> dict[str, Any]:
    """The tags of a resource."""
    return {"tags": dict(_resource(eks, call)["tags"])}


def _resource(eks: Eks, call: Call) -> Data:
    for cluster in eks.in_region(call.region):
        for arn, data in resources_of(cluster):
            if arn == call["resourceArn"]:
                return data
    raise AwsError("NotFoundException", f"The specified resource {call['resourceArn']!r} could not be found")


def resources_of(cluster: Cluster) -> Iterator[tuple[str, Data]]:
    """Everything with tags in a cluster, by ARN."""
    yield cluster.data["arn"], cluster.data
    yield from ((group.data["nodegroupArn"], group.data) for group in cluster.nodegroups.values())
    yield from ((addon.data["addonArn"], addon.data) for addon in cluster.addons.values())
    yield from ((entry.data["accessEntryArn"], entry.data) for entry in cluster.access_entries.values())
    yield from ((data["associationArn"], data) for data in cluster.pod_identities.values())
