"""Which release to go back to, and what going back cannot undo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from slipway.decisions.drift import shown, value_at
from slipway.decisions.inventory import ObjectRef, changed_fields
from slipway.decisions.kinds import Manifest
from slipway.model.component import Component
from slipway.model.records import Record, Release, ReleaseState

DIFFERENCES_SHOWN = 20


class Target(Record):
    """One component's way back.

    :param current: release number now.
    :param number: release to go back to.
    :param changes: what that changes, one line each.
    :param warnings: what it cannot undo.
    """

    component: str
    current: int
    number: int
    changes: list[str] = []
    warnings: list[str] = []


def choose(releases: Sequence[Release], asked: int | None) -> Release:
    """The release to go back to: the one asked for, or the last before the current that was seen ready.

    :param releases: oldest first.
    :raises LookupError: there is none; says which there are.
    """
    if not releases:
        raise LookupError("it was never deployed")
    current = releases[-1]
    kept = ", ".join(f"{one.number} ({one.state.value})" for one in releases)
    if asked is not None:
        found = next((one for one in releases if one.number == asked), None)
        if found is None:
            raise LookupError(f"release {asked} is not kept; there are {kept}")
        return found
    earlier = [one for one in releases[:-1] if one.state is ReleaseState.READY and one.digest != current.digest]
    if not earlier:
        raise LookupError(f"no other release was ever ready; there are {kept}")
    return earlier[-1]


def before_run(releases: Sequence[Release], run_id: str) -> Release | None:
    """The release to go back to from what a run deployed: the last one before it that was seen ready.

    The same for every try, also once the rollback has made a release of its own: it counts from the run's first.

    :param releases: oldest first.
    :returns: ``None`` when the run did not change the component.
    :raises LookupError: there is nothing to go back to; says why.
    """
    first = next((index for index, one in enumerate(releases) if one.run_id == run_id), None)
    if first is None:
        return None
    earlier = releases[:first]
    if not earlier:
        raise LookupError("this is its first release: there is nothing to go back to")
    ready = [one for one in earlier if one.state is ReleaseState.READY]
    if not ready:
        kept = ", ".join(f"{one.number} ({one.state.value})" for one in earlier)
        raise LookupError(f"no release before this run was ever ready; there are {kept}")
    return ready[-1]


def differences(now: Sequence[Manifest], then: Sequence[Manifest]) -> list[str]:
    """What going from one release's manifests to another's changes, one line per object or field."""
    before = {ObjectRef.of(item).identity: item for item in now}
    after = {ObjectRef.of(item).identity: item for item in then}
    lines = [f"creates {ObjectRef.of(item)}" for key, item in after.items() if key not in before]
    lines += [f"deletes {ObjectRef.of(item)}" for key, item in before.items() if key not in after]
    for key in before.keys() & after.keys():
        ref = ObjectRef.of(after[key])
        for path in changed_fields(before[key], after[key]):
            if ref.kind == "Secret":
                lines.append(f"changes {ref} {path}")
            else:
                lines.append(
                    f"changes {ref} {path}: {shown(value_at(before[key], path))} -> {shown(value_at(after[key], path))}"
                )
    return sorted(lines)


def warnings(component: Component, now: Sequence[Manifest], then: Sequence[Manifest]) -> list[str]:
    """What a rollback of this component cannot undo."""
    found = []
    if component.spec.stateful:
        found.append("its data stays as the newer version wrote it; an older version may not read it")
    kinds_then = {ObjectRef.of(item).identity for item in then}
    for item in now:
        ref = ObjectRef.of(item)
        if ref.kind in {"PersistentVolumeClaim", "CustomResourceDefinition"} and ref.identity not in kinds_then:
            found.append(f"{ref} stays: it is never deleted by a rollback")
    if component.spec.secrets:
        found.append("generated secrets keep their values")
    return found


def body(targets: Sequence[Target], refused: Mapping[str, str]) -> str:
    """Markdown for the person who decides."""
    lines = []
    for one in targets:
        lines += [f"### {one.component}: release {one.current} back to {one.number}", ""]
        lines += [f"- {line}" for line in one.changes[:DIFFERENCES_SHOWN]] or ["- no difference"]
        if len(one.changes) > DIFFERENCES_SHOWN:
            lines.append(f"- and {len(one.changes) - DIFFERENCES_SHOWN} more")
        lines += [f"- **cannot be undone**: {line}" for line in one.warnings]
        lines.append("")
    lines += [f"- {name} is left as it is: {why}" for name, why in sorted(refused.items())]
    return "\n".join(lines)
