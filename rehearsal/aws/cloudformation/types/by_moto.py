"""Any further type that moto's own CloudFormation models can make and delete.

Our templates do not need them; a stack that somebody else has in the same account may. They cannot be changed in
place and their drift is not told, and both is said instead of guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import get_model_map

from rehearsal.aws.cloudformation import schemas
from rehearsal.aws.cloudformation.errors import ResourceFailed
from rehearsal.aws.cloudformation.types.base import Context, Made


def knows(resource_type: str) -> bool:
    """Whether moto has a model of that type."""
    return resource_type in get_model_map()


def _objects(context: Context) -> dict[str, Any]:
    """moto's objects by physical id, kept in moto's own backend so that they are saved and reset with it."""
    backend = cloudformation_backends[context.account][context.region]
    objects: dict[str, Any] = vars(backend).setdefault("made_by_moto", {})
    return objects


class ByMoto:
    """A resource made by moto's model of its type."""

    def __init__(self, resource_type: str) -> None:
        self._type = resource_type
        self._model: Any = get_model_map()[resource_type]

    def create(self, context: Context, properties: Mapping[str, Any]) -> Made:
        """Make it."""
        named = properties.get(self._model.cloudformation_name_type() or "")
        made = self._model.create_from_cloudformation_json(
            str(named or context.generated_name()), self._document(properties), context.account, context.region
        )
        physical_id = str(made.physical_resource_id)
        _objects(context)[physical_id] = made
        return Made(physical_id, dict(self._attributes(made)))

    def update(self, context: Context, physical_id: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Made:
        """Refused.

        :raises ResourceFailed: always.
        """
        raise ResourceFailed(f"the rehearsal cannot change {self._type} in place; delete the stack and make it again")

    def delete(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> None:
        """Delete it: some models can only by their object, others only by their class."""
        made = _objects(context).pop(physical_id, None)
        if hasattr(made, "delete"):
            made.delete(context.account, context.region)
            return
        document = self._document(properties)
        self._model.delete_from_cloudformation_json(physical_id, document, context.account, context.region)

    def read(self, context: Context, physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        """Nothing can be told.

        :raises NotImplementedError: always.
        """
        raise NotImplementedError(self._type)

    def _document(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        return {"Type": self._type, "Properties": dict(properties)}

    def _attributes(self, made: Any) -> Mapping[str, Any]:
        found = {}
        for name in sorted(schemas.read_only_properties(self._type)):
            try:
                found[name] = made.get_cfn_attribute(name)
            except Exception:  # noqa: S112  each model has its own way of saying that it does not offer one
                continue
        return found
