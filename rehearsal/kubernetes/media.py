"""Media types of patches."""

from __future__ import annotations

APPLY = "application/apply-patch+yaml"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
PATCH_TYPES = [JSON, MERGE, STRATEGIC, APPLY]
