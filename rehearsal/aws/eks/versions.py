"""Kubernetes versions as EKS offers them, with the support calendar as data."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from rehearsal.aws.eks.state import Eks
from rehearsal.aws.errors import invalid_parameter
from rehearsal.aws.protocol import Call, page

_STATUS = {"STANDARD_SUPPORT": "standard-support", "EXTENDED_SUPPORT": "extended-support", "UNSUPPORTED": "unsupported"}


@lru_cache(maxsize=1)
def calendar() -> dict[str, Any]:
    """The content of ``data/versions.yaml``."""
    loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "data" / "versions.yaml").read_text())
    return loaded


def default_version() -> str:
    """The version a cluster gets that asks for none."""
    return str(calendar()["default"])


def platform_version(version: str) -> str:
    """The EKS platform version of a Kubernetes version."""
    return str(calendar()["versions"][version]["platform"])


def patch_version(version: str) -> str:
    """The newest patch release of a minor version, e.g. ``1.36.3``."""
    return str(calendar()["versions"][version]["patch"])


def minor(version: str) -> int:
    """The minor number: 36 for ``1.36``."""
    return int(version.split(".")[1])


def support(version: str, now: datetime) -> str:
    """``STANDARD_SUPPORT``, ``EXTENDED_SUPPORT`` or ``UNSUPPORTED`` at ``now``; unknown versions are unsupported."""
    entry = calendar()["versions"].get(version)
    if entry is None or now < _midnight(entry["released"]):
        return "UNSUPPORTED"
    if now < _midnight(entry["standard_ends"]):
        return "STANDARD_SUPPORT"
    return "EXTENDED_SUPPORT" if now < _midnight(entry["extended_ends"]) else "UNSUPPORTED"


def offered(now: datetime) -> list[str]:
    """The versions a cluster may have at ``now``, oldest first."""
    return [version for version in calendar()["versions"] if support(version, now) != "UNSUPPORTED"]


def require_offered(version: str, support_type: str, now: datetime) -> None:
    """Refuse a version that EKS does not offer under ``support_type``."""
    if version not in offered(now):
        raise invalid_parameter(f"unsupported Kubernetes version {version!r}; offered are {', '.join(offered(now))}")
    if support_type == "STANDARD" and support(version, now) == "EXTENDED_SUPPORT":
        raise invalid_parameter(
            f"Kubernetes version {version} is in extended support and upgradePolicy.supportType is STANDARD; "
            "choose a newer version or supportType EXTENDED"
        )


def describe_cluster_versions(eks: Eks, call: Call) -> dict[str, Any]:
    """The calendar, newest first, filtered as asked."""
    now = eks.clock.now()
    wanted = set(call.get("clusterVersions", []))
    status = call.get("versionStatus")
    newest_first = sorted(calendar()["versions"], key=minor, reverse=True)
    rows = [_row(version, now, eks.faults.days_of_support(version)) for version in newest_first]
    rows = [row for row in rows if not wanted or row["clusterVersion"] in wanted]
    rows = [row for row in rows if not call.get("defaultOnly") or row["defaultVersion"]]
    if status:
        rows = [row for row in rows if row["versionStatus"] == status]
    elif call.get("status"):
        rows = [row for row in rows if row["status"] == call["status"]]
    elif not call.get("includeAll") and not wanted:
        rows = [row for row in rows if row["versionStatus"] != "UNSUPPORTED"]
    shown, more = page(rows, call)
    return {"clusterVersions": shown, **more}


def _row(version: str, now: datetime, days_left: float | None = None) -> dict[str, Any]:
    entry = calendar()["versions"][version]
    if days_left is not None:
        entry = {**entry, "standard_ends": (now + timedelta(days=days_left)).date()}
    status = support(version, now)
    return {
        "clusterVersion": version,
        "clusterType": "eks",
        "defaultPlatformVersion": entry["platform"],
        "defaultVersion": version == default_version(),
        "releaseDate": _midnight(entry["released"]),
        "endOfStandardSupportDate": _midnight(entry["standard_ends"]),
        "endOfExtendedSupportDate": _midnight(entry["extended_ends"]),
        "status": _STATUS[status],
        "versionStatus": status,
        "kubernetesPatchVersion": entry["patch"],
        "controlPlaneScalingTiers": calendar()["tiers"],
    }


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
