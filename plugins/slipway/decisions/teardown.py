"""What a teardown takes, in which order, and how a person is told before they allow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from slipway.decisions.sweep import Keep, Sweep, is_kept, is_leaving, monthly_usd
from slipway.model.platform import Platform
from slipway.model.prices import PriceBook
from slipway.model.records import Record
from slipway.model.resource import Inventory, Kind, Resource, by_kind

# More lines than these nobody reads in a form; the survey's own record has them all.
LINES_SHOWN = 40
NAMES_SHOWN = 4
# What other tasks of the teardown delete, with an API that waits for their parts.
_BY_TASK = frozenset({Kind.CLUSTER, Kind.NODEGROUP, Kind.ADDON, Kind.POD_IDENTITY, Kind.STACK})


class Survey(Record):
    """What a teardown would do, before it does anything.

    :param saving: USD a month that ends with what goes.
    :param cost_kept: USD a month of what stays.
    :param unpriced: kinds whose price is not known.
    """

    platform: str
    account: str
    region: str
    goes: int
    kept: int
    saving: float
    cost_kept: float
    unpriced: list[str]
    body: str
    protected: bool = False
    unread: list[str] = []
    intruders: list[str] = []


def survey(platform: Platform, found: Sweep, account: str, prices: PriceBook, notes: Sequence[str] = ()) -> Survey:
    """Describe a teardown for the person who decides on it.

    :param found: what a sweep would call left over now is what goes.
    :param notes: of the state the platform is in.
    """
    going = [one.resource for one in found.leftovers]
    cost_kept = sum(monthly_usd(one, prices) or 0.0 for one in found.kept)
    unpriced = sorted({one.resource.kind for one in found.leftovers if one.usd is None})
    return Survey(
        platform=platform.name,
        account=account,
        region=platform.region,
        goes=len(going),
        kept=len(found.kept),
        saving=round(found.usd, 2),
        cost_kept=round(cost_kept, 2),
        unpriced=unpriced,
        body=_body(platform, found, account, cost_kept, unpriced, notes),
        protected=platform.environment.protected,
        unread=[f"{one.part}: {one.reason}" for one in found.unread],
        intruders=[str(one) for one in found.intruders],
    )


def _body(
    platform: Platform, found: Sweep, account: str, cost_kept: float, unpriced: Sequence[str], notes: Sequence[str]
) -> str:
    """Markdown for the form."""
    costs = {one.resource.id: one.usd for one in found.leftovers}
    lines = [
        f"**{platform.name}** in account **{account}**, region **{platform.region}**.",
        "",
        f"Saves **{found.usd:,.2f} USD a month** at list prices, without traffic and usage"
        + (f" (price not known: {', '.join(unpriced)})." if unpriced else "."),
        "",
        *(f"- {note}" for note in notes),
        "",
        f"### Goes: {len(found.leftovers)} resources",
        "",
        "| type | number | USD a month | which |",
        "|---|---|---|---|",
    ]
    lines += [_row(kind, some, costs) for kind, some in by_kind(one.resource for one in found.leftovers).items()][
        :LINES_SHOWN
    ]
    lines += ["", f"### Kept: {len(found.kept)} resources, {cost_kept:,.2f} USD a month", ""]
    lines += [f"- {kind}: {_names(some)}" for kind, some in by_kind(found.kept).items()] or ["- nothing"]
    if found.leaving:
        lines += ["", f"On their way out already: {_names(found.leaving)}."]
    if found.intruders:
        lines += ["", "### In the way: not ours, and left alone", ""]
        lines += [f"- {one}" for one in found.intruders[:LINES_SHOWN]]
        lines += ["", "The network cannot be deleted while these are in it."]
    if found.unread:
        lines += ["", "### Not looked at", "", *(f"- {one.part}: {one.reason}" for one in found.unread)]
    return "\n".join(lines)


def _row(kind: str, some: Sequence[Resource], costs: Mapping[str, float | None]) -> str:
    known = [usd for one in some if (usd := costs.get(one.id)) is not None]
    cost = f"{sum(known):,.2f}" if len(known) == len(some) else "not known"
    return f"| {kind.removeprefix('AWS::')} | {len(some)} | {cost} | {_names(some)} |"


def _names(some: Sequence[Resource]) -> str:
    shown = ", ".join(f"`{one.name}`" for one in some[:NAMES_SHOWN])
    more = len(some) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def stray(
    inventory: Inventory, platform: Platform, keep: Sequence[Keep], in_stacks: Set[str], order: Sequence[Kind]
) -> list[Resource]:
    """What is ours and no task or stack deletes: made by controllers and services, or left by a stack that is gone.

    :param in_stacks: physical ids that stacks which still exist hold.
    :param order: kinds in the order in which they can go.
    """
    ranks = {kind.value: rank for rank, kind in enumerate(order)}
    state_keys = {one.text("key") for one in inventory.resources if one.id == f"alias/{platform.name}-state"}
    found = []
    for one in inventory.ours:
        # Stacks know an address by its number, others by name or ARN.
        held = not in_stacks.isdisjoint({one.id, one.name, one.arn, one.text("ip")})
        if held or one.kind in _BY_TASK or one.kind not in ranks or is_leaving(one):
            continue
        if is_kept(one, platform, keep, state_keys) or _goes_with_another(one):
            continue
        found.append(one)
    return sorted(found, key=lambda one: (ranks[one.kind], one.id))


def _goes_with_another(one: Resource) -> bool:
    """A service's interface goes with the service's resource, a node's interface and disk with the node."""
    if one.kind == Kind.INTERFACE:
        return bool(one.text("holder") or one.text("instance"))
    return one.kind == Kind.VOLUME and bool(one.text("root_of"))
