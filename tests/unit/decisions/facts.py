"""Facts of an account where everything is in order, made without a call."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from slipway.model.component import Component, ComponentSpec, StageName
from slipway.model.facts import AccountFacts, InstanceType, Quota, VersionFacts

NOW = datetime(2026, 8, 1, tzinfo=UTC)
ZONES = ["us-east-1a", "us-east-1b", "us-east-1c"]
LARGE = InstanceType("t3.large", 2, 8192, 3, 12)
ARM = InstanceType("t4g.large", 2, 8192, 3, 12, architecture="arm64")
SMALL = InstanceType("t3.small", 2, 2048, 3, 4)


def version(name: str, standard: tuple[int, int, int], extended: tuple[int, int, int]) -> VersionFacts:
    """Support dates of a version, as (year, month, day)."""
    return VersionFacts(name, datetime(*standard, tzinfo=UTC), datetime(*extended, tzinfo=UTC))


VERSIONS = {
    "1.33": version("1.33", (2025, 6, 1), (2026, 6, 1)),
    "1.34": version("1.34", (2026, 6, 1), (2027, 6, 1)),
    "1.35": version("1.35", (2026, 9, 15), (2027, 9, 15)),
    "1.36": version("1.36", (2027, 8, 2), (2028, 8, 2)),
}


def facts(**changes: Any) -> AccountFacts:
    """An account in which a platform may be built, with some facts changed."""
    usual: dict[str, Any] = {
        "account": "123456789012",
        "principal": "arn:aws:sts::123456789012:assumed-role/deployer/x",
        "zones": ZONES,
        "instance_types": {one.name: one for one in (LARGE, ARM, SMALL)},
        "versions": VERSIONS,
        "quotas": [
            Quota("nodes", "vCPUs", 32, None),
            Quota("vpcs", "VPCs per region", 5, 1),
            Quota("addresses", "Elastic IP addresses", 5, 0),
            Quota("clusters", "EKS clusters", 100, 3),
        ],
        "owners": [],
    }
    return AccountFacts(**{**usual, **changes})


def component(name: str = "kafka", **spec: Any) -> Component:
    """A component of the data layer."""
    loaded = ComponentSpec.model_validate({"description": name, "namespace": "data", **spec})
    return Component(name=name, stage=StageName.DATA_LAYER, folder=Path("/nowhere") / name, spec=loaded)


def workload(kind: str = "Deployment", name: str = "x", **pod: Any) -> dict[str, Any]:
    """A workload whose pod has one container with a pinned image, unless ``pod`` says otherwise."""
    template = {"spec": {"containers": [{"name": "main", "image": "a/b:1.2.3"}], **pod}}
    spec: Mapping[str, Any] = {"jobTemplate": {"spec": {"template": template}}} if kind == "CronJob" else {}
    metadata = {"name": name, "namespace": "data"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec or {"template": template}}
