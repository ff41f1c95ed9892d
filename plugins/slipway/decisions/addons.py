"""EKS add-ons: which version, what differs, and whether a status is good enough yet."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import yaml

from slipway.model.environment import Addon

# These move one minor version at a time (EKS user guide, "Updating the Amazon VPC CNI").
ONE_MINOR_AT_A_TIME = frozenset({"vpc-cni"})
_VERSION = re.compile(r"^v?(\d+)\.(\d+)\.(\d+)(?:-eksbuild\.(\d+))?")


class AddonState(StrEnum):
    """What an add-on's status means to whoever waits for it."""

    READY = "ready"
    WAIT = "wait"
    FAILED = "failed"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class WantedAddon:
    """An add-on with everything resolved.

    :param configuration: as the environment says; empty for EKS's own.
    :param role_arn: role of its service account.
    """

    name: str
    version: str
    configuration: Mapping[str, object]
    service_account: str | None = None
    role_arn: str | None = None

    def request(self, tags: Mapping[str, str]) -> dict[str, Any]:
        """Arguments of ``CreateAddon`` besides the cluster."""
        return {**self._settings(), "addonName": self.name, "resolveConflicts": "OVERWRITE", "tags": dict(tags)}

    def update(self) -> dict[str, Any]:
        """Arguments of ``UpdateAddon`` besides the cluster.

        Conflicts are overwritten: the environment file says how an add-on is configured, and what somebody changed
        by hand in the cluster is drift.
        """
        return {
            "configurationValues": "{}",
            "podIdentityAssociations": [],
            **self._settings(),
            "addonName": self.name,
            "resolveConflicts": "OVERWRITE",
        }

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"addonVersion": self.version}
        if self.configuration:
            settings["configurationValues"] = json.dumps(self.configuration, sort_keys=True)
        if self.service_account and self.role_arn:
            settings["podIdentityAssociations"] = [{"serviceAccount": self.service_account, "roleArn": self.role_arn}]
        return settings


def parsed_version(version: str) -> tuple[int, int, int, int]:
    """An add-on version as numbers: ``v1.19.2-eksbuild.5`` is ``(1, 19, 2, 5)``; what is no version sorts first."""
    match = _VERSION.match(version)
    if match is None:
        return (0, 0, 0, 0)
    major, minor, patch, build = (int(part or 0) for part in match.groups())
    return (major, minor, patch, build)


def choose_version(name: str, spec: Addon, offered: Sequence[Mapping[str, Any]], live: str | None) -> str:
    """Pick the version of an add-on.

    ``default`` is what EKS offers as default, but never a step back from what runs. An add-on that may only move
    one minor version at a time goes to the newest of the next minor version.

    :param offered: ``addonVersions`` of ``DescribeAddonVersions`` for the cluster's Kubernetes version.
    :param live: version that runs.
    :raises ValueError: EKS does not offer the version, or offers none; says what it does offer.
    """
    versions = [str(entry["addonVersion"]) for entry in offered]
    if spec.version == "default":
        defaults = [
            str(entry["addonVersion"])
            for entry in offered
            if any(item.get("defaultVersion") for item in entry.get("compatibilities", []))
        ]
        if not versions:
            raise ValueError(f"EKS offers no version of {name} for this Kubernetes version")
        wanted = defaults[0] if defaults else max(versions, key=parsed_version)
        if live is not None and parsed_version(live) >= parsed_version(wanted):
            return live
    else:
        wanted = spec.version
        if wanted not in versions:
            shown = ", ".join(sorted(versions, key=parsed_version, reverse=True)[:8]) or "none"
            raise ValueError(f"EKS does not offer {name} {wanted} for this Kubernetes version; it offers {shown}")
    if live is None or name not in ONE_MINOR_AT_A_TIME:
        return wanted
    return _next_step(live, wanted, versions)


def differences(live: Mapping[str, Any], wanted: WantedAddon, identities: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of what differs.

    :param identities: the add-on's pod identity associations, described.
    """
    found = []
    if live["addonVersion"] != wanted.version:
        found.append("addonVersion")
    if _configuration(live.get("configurationValues")) != json.loads(json.dumps(wanted.configuration)):
        found.append("configurationValues")
    have = {(entry["serviceAccount"], entry["roleArn"]) for entry in identities}
    want = {(wanted.service_account, wanted.role_arn)} if wanted.service_account else set()
    if have != want:
        found.append("podIdentityAssociations")
    return found


def judge(status: str | None, *, has_nodes: bool) -> AddonState:
    """Say whether an add-on is there.

    Without nodes its pods have nowhere to run: being installed is all that can be asked for. With nodes it has to be
    ACTIVE, and DEGRADED is what it is until its pods are up.

    :param status: as EKS reports it; ``None`` when the cluster has no such add-on.
    """
    if status is None:
        return AddonState.ABSENT
    if status.endswith("_FAILED"):
        return AddonState.FAILED
    if status == "ACTIVE" or (not has_nodes and status in {"CREATING", "DEGRADED"}):
        return AddonState.READY
    return AddonState.WAIT


def _next_step(live: str, wanted: str, versions: Sequence[str]) -> str:
    major, minor = parsed_version(live)[:2]
    target = parsed_version(wanted)
    if abs(target[1] - minor) <= 1 or target[0] != major:
        return wanted
    neighbour = minor + (1 if target[1] > minor else -1)
    steps = [version for version in versions if parsed_version(version)[:2] == (major, neighbour)]
    return max(steps, key=parsed_version) if steps else wanted


def _configuration(values: str | None) -> Any:
    # EKS takes JSON and YAML, and returns what it was given.
    return yaml.safe_load(values) or {} if values else {}
