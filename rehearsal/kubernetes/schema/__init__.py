"""Typed view of objects, compiled from the published OpenAPI definitions or from CRDs."""

from rehearsal.kubernetes.schema.nodes import Definitions, Node, custom_resource
from rehearsal.kubernetes.schema.validation import Faults, check, decode

__all__ = ["Definitions", "Faults", "Node", "check", "custom_resource", "decode"]
