"""What every resource type is made of: make, change, delete and read back, through the type's own AWS API.

Calls go to moto in this process through :mod:`rehearsal.aws.local`, so a resource that a stack made is the same
as one made by hand, and an API that refuses fails the stack with the API's own words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore import xform_name
from botocore.exceptions import ClientError
from moto.moto_api._internal import mock_random
from moto.utilities.utils import get_partition

from rehearsal.aws import local
from rehearsal.aws.cloudformation import schemas
from rehearsal.aws.cloudformation.errors import ResourceFailed
from rehearsal.aws.cloudformation.intrinsics import as_text
from rehearsal.aws.cloudformation.settings import SETTINGS


@dataclass(frozen=True)
class Made:
    """A resource that exists: what Ref returns, and what Fn::GetAtt returns."""

    physical_id: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """Whose resource it is."""

    stack_name: str
    stack_id: str
    logical_id: str
    type: str
    region: str
    account: str

    @property
    def partition(self) -> str:
        """``aws``, ``aws-cn``, ..."""
        return str(get_partition(self.region))

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One API call, its parameters converted to the types that the API's model declares.

        CloudFormation accepts ``"30"`` where an API wants 30 and 1 where it wants ``"1"``.

        :param operation: as in the API, e.g. ``CreateVpc``.
        """
        client = local.client(service, self.region)
        shape = client.meta.service_model.operation_model(operation).input_shape
        converted = {name: _convert(shape.members[name], value) for name, value in params.items() if value is not None}
        self._require_allowed(service, operation, converted)
        answer: dict[str, Any] = getattr(client, xform_name(operation))(**converted)
        return answer

    def _require_allowed(self, service: str, operation: str, params: Mapping[str, Any]) -> None:
        """CloudFormation acts with the rights of whoever started the stack.

        :raises ResourceFailed: they do not allow it.
        """
        if SETTINGS.judge is None:
            return
        why = SETTINGS.judge.refusal(service, operation, self.region, self.account, params, via="cloudformation")
        if why is not None:
            raise ResourceFailed(f"Resource handler returned message: User is {why}")

    def generated_name(self, limit: int = 64) -> str:
        """A name for a resource that the template does not name: stack, logical id and a random end."""
        end = str(mock_random.get_random_string(length=12, include_digits=True)).upper()
        return f"{self.stack_name}-{self.logical_id}"[: limit - 13] + "-" + end

    def tags(self, properties: Mapping[str, Any]) -> list[dict[str, str]]:
        """The resource's own tags and CloudFormation's."""
        own = properties.get(schemas.tag_property(self.type) or "Tags", [])
        tags = [{"Key": str(tag["Key"]), "Value": as_text(tag["Value"])} for tag in own]
        if schemas.takes_system_tags(self.type):
            tags += [
                {"Key": "aws:cloudformation:stack-name", "Value": self.stack_name},
                {"Key": "aws:cloudformation:stack-id", "Value": self.stack_id},
                {"Key": "aws:cloudformation:logical-id", "Value": self.logical_id},
            ]
        return tags


class Handler(Protocol):
    """One resource type."""

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Make it."""

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Change it in place from ``old`` to ``new`` properties."""

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Delete it; nothing happens when it is gone already."""

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """The properties as they really are, those that can be told; ``None`` when it is gone."""


def _convert(shape: Any, value: Any) -> Any:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        unknown = sorted(set(value) - set(shape.members))
        if unknown:
            raise ResourceFailed(f"{shape.name} has no {', '.join(unknown)}; it has {', '.join(shape.members)}")
        return {name: _convert(shape.members[name], item) for name, item in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_convert(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {name: _convert(shape.value, item) for name, item in value.items()}
    return _convert_scalar(shape, value)


def _convert_scalar(shape: Any, value: Any) -> Any:
    if shape.type_name == "boolean":
        return as_text(value).lower() == "true"
    if shape.type_name in ("integer", "long"):
        return int(float(value))
    if shape.type_name in ("float", "double"):
        return float(value)
    if shape.type_name == "string":
        return json.dumps(value) if isinstance(value, (dict, list)) else as_text(value)
    return value


def as_document(policy: Any) -> str:
    """A policy as the JSON text that the APIs take."""
    return policy if isinstance(policy, str) else json.dumps(policy)


def is_gone(error: ClientError, codes: Iterable[str]) -> bool:
    """Whether the API says, in its own words, that the thing does not exist."""
    return error.response["Error"]["Code"] in set(codes)


def tag_changes(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> tuple[list[dict[str, str]], list[str]]:
    """Tags to set and keys to remove."""
    before = {tag["Key"]: as_text(tag["Value"]) for tag in old}
    after = {tag["Key"]: as_text(tag["Value"]) for tag in new}
    changed = [{"Key": key, "Value": value} for key, value in after.items() if before.get(key) != value]
    return changed, sorted(set(before) - set(after))
