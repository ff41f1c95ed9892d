"""What a disaster recovery drill costs before it starts, and how what it rebuilt compares with the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from slipway.decisions.estimate import HOURS_PER_MONTH, CostLine, total
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.restore import Choice
from slipway.model.records import Release, ReleaseState

# What a component's objects are called after their platform, or are made by what the platform does.
_OWN_KINDS = frozenset({"PersistentVolume"})
LINES_SHOWN = 20


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """A platform as a drill compares it.

    :param version: of Kubernetes.
    :param nodes: ready nodes by workload.
    :param releases: current release of each component.
    :param claims: GiB of each bound claim, by ``namespace/name``.
    """

    version: str
    nodes: Mapping[str, int]
    releases: Mapping[str, Release]
    claims: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is the same, and what is not; one line each."""

    same: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def add(self, equal: bool, same: str, different: str) -> None:
        """Note one thing."""
        (self.same if equal else self.differences).append(same if equal else different)


def compare(original: PlatformFacts | None, drill: PlatformFacts, restored: Mapping[str, str]) -> Comparison:
    """Compare what was rebuilt with the original; without one, say so and hold the drill to itself.

    :param restored: snapshot that each claim should come from, by ``namespace/name``.
    """
    found = Comparison()
    lost = sorted(set(restored) - set(drill.claims))
    found.add(not lost, f"{len(restored)} claims are on restored disks", f"restored and not in use: {', '.join(lost)}")
    unready = sorted(name for name, one in drill.releases.items() if one.state is not ReleaseState.READY)
    found.add(not unready, f"{len(drill.releases)} components are ready", f"not ready: {', '.join(unready)}")
    if original is None:
        found.differences.append("the original could not be looked at, so nothing was compared with it")
        return found
    found.add(
        original.version == drill.version,
        f"Kubernetes {drill.version}",
        f"Kubernetes {drill.version}, the original has {original.version}",
    )
    for workload in sorted({*original.nodes, *drill.nodes}):
        mine, theirs = drill.nodes.get(workload, 0), original.nodes.get(workload, 0)
        found.add(mine == theirs, f"{mine} {workload} nodes", f"{mine} {workload} nodes, the original has {theirs}")
    missing = sorted(set(original.releases) - set(drill.releases))
    extra = sorted(set(drill.releases) - set(original.releases))
    found.add(not missing, "every component of the original is there", f"not there: {', '.join(missing)}")
    if extra:
        found.differences.append(f"not deployed in the original: {', '.join(extra)}")
    for name in sorted(set(original.releases) & set(drill.releases)):
        _component(found, name, original.releases[name], drill.releases[name])
    small = sorted(
        f"{key} ({drill.claims[key]:g} of {gib:g} GiB)"
        for key, gib in original.claims.items()
        if key in drill.claims and drill.claims[key] < gib
    )
    gone = sorted(set(original.claims) - set(drill.claims))
    found.add(not gone, f"{len(original.claims)} claims, as in the original", f"claims not there: {', '.join(gone)}")
    if small:
        found.differences.append(f"claims that are smaller: {', '.join(small)}")
    return found


def _component(found: Comparison, name: str, original: Release, drill: Release) -> None:
    theirs, mine = _objects(original), _objects(drill)
    for key in sorted(theirs - mine)[:LINES_SHOWN]:
        found.differences.append(f"{name}: {ObjectRef.parse(key)} is missing")
    for key in sorted(mine - theirs)[:LINES_SHOWN]:
        found.differences.append(f"{name}: {ObjectRef.parse(key)} is not in the original")
    if theirs == mine:
        found.same.append(f"{name}: {len(mine)} objects")
    images = {
        f"{image} ({original.images[image]} there, {digest} here)"
        for image, digest in drill.images.items()
        if original.images.get(image, digest) != digest
    }
    if images:
        found.differences.append(f"{name}: other builds of {', '.join(sorted(images))}")


def _objects(release: Release) -> set[str]:
    return {key for key in release.objects if ObjectRef.parse(key).kind not in _OWN_KINDS}


def cost(lines: Sequence[CostLine], hours: float) -> float:
    """USD of the drill at list prices: what the platform costs a month, for so many hours."""
    return round(total(lines) / HOURS_PER_MONTH * hours, 2)


def body(
    original: str,
    drill: str,
    network: str,
    usd: float,
    hours: float,
    monthly: float,
    choices: Sequence[Choice],
    refused: Mapping[str, str],
    notes: Sequence[str],
    now: datetime,
) -> str:
    """Markdown for the person who decides."""
    lines = [
        f"**{original}** is rebuilt as **{drill}**, network {network}; restored from backups, proven, compared with "
        "the original and taken down again. The original is only read.",
        "",
        f"Costs about **{usd:,.2f} USD** for {hours:g} hours at list prices ({monthly:,.2f} USD a month), without "
        "traffic between the regions, logs and requests.",
        "",
        *(f"- {note}" for note in notes),
        "",
        "### Restored",
        "",
    ]
    for one in choices:
        age = (now - one.at).total_seconds() / 3600
        lines.append(f"- {one.component}: {len(one.sources)} disks of {one.at:%F %T} UTC, {age:.1f} hours old")
    lines += [f"- {name} is not: {why}" for name, why in sorted(refused.items())]
    return "\n".join(lines)
