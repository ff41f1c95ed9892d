"""Which backup each claim of a component gets its disk from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.decisions.backups import CLAIM_TAG, NAMESPACE_TAG
from slipway.decisions.kinds import Manifest
from slipway.decisions.quantities import parse_quantity
from slipway.decisions.sweep import BACKUP_TAG
from slipway.model.component import Component
from slipway.model.records import Record
from slipway.model.resource import Resource

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim that a component has, by its manifests.

    :param workload: StatefulSet that makes it; empty for a claim that is a manifest by itself.
    :param replicas: of that StatefulSet.
    :param ordinal: which of its pods uses it.
    :param spec: as the claim is made, without a volume.
    """

    namespace: str
    name: str
    workload: str
    replicas: int
    ordinal: int
    spec: dict[str, Any]
    labels: dict[str, str]

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def gib(self) -> float:
        """What it asks for, in GiB."""
        return float(parse_quantity(self.spec["resources"]["requests"]["storage"]) / _GIB)


class Source(Record):
    """A snapshot that a claim's disk is made from.

    :param started: when it was taken, ISO 8601.
    """

    claim: str
    snapshot: str
    region: str
    gib: int
    started: datetime


class Choice(Record):
    """One component's way back to a backup.

    :param backup: the run of ``platform_backup`` that all its snapshots are of, taken within minutes of each other.
    :param empty: claims that were never backed up, and start empty.
    """

    component: str
    backup: str
    sources: list[Source]
    empty: list[str] = []

    @property
    def at(self) -> datetime:
        """The moment that is restored, the earliest of its disks': what was written later is lost."""
        return min(one.started for one in self.sources)


def claims_of(manifests: Iterable[Manifest]) -> list[Claim]:
    """Claims of a component, in the order of its manifests."""
    found: list[Claim] = []
    for item in manifests:
        metadata, namespace = item["metadata"], item["metadata"].get("namespace", "")
        if item["kind"] == "PersistentVolumeClaim":
            labels = dict(metadata.get("labels") or {})
            found.append(Claim(namespace, metadata["name"], "", 0, 0, dict(item["spec"]), labels))
        elif item["kind"] == "StatefulSet":
            replicas = int(item["spec"].get("replicas", 1))
            for template in item["spec"].get("volumeClaimTemplates") or []:
                labels = dict(template["metadata"].get("labels") or {})
                found += [
                    Claim(
                        namespace,
                        f"{template['metadata']['name']}-{metadata['name']}-{ordinal}",
                        metadata["name"],
                        replicas,
                        ordinal,
                        dict(template["spec"]),
                        labels,
                    )
                    for ordinal in range(replicas)
                ]
    return found


def choose(component: Component, claims: Sequence[Claim], backups: Sequence[Resource], asked: str | None) -> Choice:
    """The newest backup that has every disk of the component that was ever backed up; disks of different nights
    would not know of each other.

    :param backups: complete or not, newest first, as :func:`slipway.decisions.backups.backups` gives them.
    :param asked: a run of ``platform_backup`` to go back to.
    :raises LookupError: there is none; says what there is.
    """
    mine: dict[str, dict[str, Resource]] = {}
    keys = {claim.key for claim in claims}
    for one in backups:
        key = f"{one.tags.get(NAMESPACE_TAG, '')}/{one.tags.get(CLAIM_TAG, '')}"
        if key in keys:
            mine.setdefault(one.tags[BACKUP_TAG], {}).setdefault(key, one)
    wanted = {key for found in mine.values() for key in found}
    if not wanted:
        raise LookupError("it was never backed up: platform_backup does so every night")
    if asked is not None and asked not in mine:
        raise LookupError(f"no backup {asked}; there are {', '.join(sorted(mine))}")
    lacking = {}
    for run, found in mine.items():
        if asked not in (None, run):
            continue
        missing = sorted(key for key in wanted if key not in found or found[key].text("state") != "completed")
        if not missing:
            return Choice(
                component=component.name,
                backup=run,
                sources=[_source(key, found[key]) for key in sorted(wanted)],
                empty=sorted(keys - wanted),
            )
        lacking[run] = missing
    told = "; ".join(f"{run} has no complete snapshot of {', '.join(missing)}" for run, missing in lacking.items())
    raise LookupError(f"no backup has all of its disks: {told}")


def _source(key: str, one: Resource) -> Source:
    return Source(
        claim=key,
        snapshot=one.id,
        region=one.region,
        gib=int(one.number("gib")),
        started=datetime.fromisoformat(one.text("started")),
    )


def zone_for(claim: Claim, zones: Sequence[str]) -> str:
    """The zone of a new disk where the claim has none yet: pods of one StatefulSet over all zones.

    :param zones: of the nodes that its pods may run on.
    :raises LookupError: there are none.
    """
    if not zones:
        raise LookupError("the cluster has no node, so nobody knows in which zone a disk is of use")
    return sorted(zones)[claim.ordinal % len(zones)]


def body(choices: Sequence[Choice], refused: dict[str, str], into: str, now: datetime) -> str:
    """Markdown for the person who decides."""
    lines = [f"Into **{into}**:", ""]
    for one in choices:
        lost = now - one.at
        lines += [
            f"### {one.component}: backup of {one.at:%Y-%m-%d %H:%M} UTC",
            "",
            f"- **whatever was written in the {_span(lost.total_seconds())} since then is lost**",
            *(f"- {source.claim} from {source.snapshot} ({source.gib} GiB, {source.region})" for source in one.sources),
            *(f"- {claim} was never backed up and starts empty" for claim in one.empty),
            "",
        ]
    lines += [f"- {name} is left as it is: {why}" for name, why in sorted(refused.items())]
    lines += ["", "Its pods stop meanwhile. Disks that are there now are kept, unused, and cost on until deleted."]
    return "\n".join(lines)


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} hours"
