"""Explains a day's bill line by line: by what stands there, or by quantity times price; and names what neither does."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from datetime import date
from math import fsum

from slipway.decisions.cost_estimate import HOURS_PER_MONTH
from slipway.decisions.usage_types import Basis, Usage, understand
from slipway.model.bill import BillLine
from slipway.model.cost import Estimate, EstimateLine, Explained, Explanation, How
from slipway.model.prices import Price, PriceBook

# Rounding, and hours in which something was just being made or removed.
TOLERANCE = 0.02
CENT = 0.005
_HOURLY = frozenset({"Hrs", "Hours", "hours", "hrs"})


def explain(lines: Sequence[BillLine], day: date, estimate: Estimate | None, book: PriceBook) -> Explained:
    """Hold a day's bill against the inventory and the price list.

    :param estimate: ``None`` when the inventory could not be read: then only metered lines can be explained.
    """
    standing = _per_day(estimate, day)
    bill = _merged(line for line in lines if line.day == day)
    explained = [_explain(line, standing, book) for line in bill]
    explained.sort(key=lambda one: (-one.billed_usd, one.name))
    billed = fsum(one.billed_usd for one in explained)
    covered = fsum(min(one.billed_usd, one.expected_usd or 0.0) for one in explained)
    seen = {understand(line.service, line.usage_type).key for line in bill}
    absent = [
        (_what(estimate, key), round(usd, 4)) for key, (usd, _) in standing.items() if key not in seen and usd >= CENT
    ]
    return Explained(
        day=day,
        lines=explained,
        billed_usd=round(billed, 4),
        explained_usd=round(covered, 4),
        unexplained_usd=round(billed - covered, 4),
        absent=sorted(absent, key=lambda one: -one[1]),
    )


def _merged(lines: Iterable[BillLine]) -> list[BillLine]:
    """One line per service and usage type."""
    groups: dict[tuple[str, str], list[BillLine]] = {}
    for line in lines:
        groups.setdefault((line.service, line.usage_type), []).append(line)
    return [
        some[0].model_copy(
            update={"usd": fsum(one.usd for one in some), "quantity": fsum(one.quantity for one in some)}
        )
        for some in groups.values()
    ]


def _per_day(estimate: Estimate | None, day: date) -> dict[str, tuple[float, int]]:
    """USD of a day and number of resources by price; hours are billed by the hour, the rest by the part of a month."""
    found: dict[str, tuple[float, int]] = {}
    for line in estimate.lines if estimate else []:
        if line.monthly_usd is not None:
            usd, number = found.get(line.key, (0.0, 0))
            found[line.key] = (usd + line.monthly_usd * _share_of_month(line, day), number + line.number)
    return found


def _share_of_month(line: EstimateLine, day: date) -> float:
    if line.unit in _HOURLY:
        return 24 / HOURS_PER_MONTH
    return 1 / calendar.monthrange(day.year, day.month)[1]


def _what(estimate: Estimate | None, key: str) -> str:
    return next((line.what for line in estimate.lines if line.key == key), key) if estimate else key


def _explain(line: BillLine, standing: dict[str, tuple[float, int]], book: PriceBook) -> Explanation:
    usage = understand(line.service, line.usage_type)
    if usage.basis is Basis.STANDING and usage.key in standing:
        expected, number = standing[usage.key]
        how, note = How.INVENTORY, _standing_note(line, expected, number)
    elif usage.basis is Basis.STANDING:
        return _explanation(line, usage, None, How.NOTHING, _nothing_stands(line, book.find(usage.key)))
    else:
        price = book.find(usage.key) or book.find(f"{usage.key}:Network")
        if price is None or not line.quantity:
            return _explanation(line, usage, None, How.NOTHING, "no price of it is known" if price is None else "")
        expected, how = price.usd * line.quantity, How.METERED
        note = f"{line.quantity:,.2f} {price.unit} at {price.usd:g}{_metered_note(line, price, expected)}"
    return _explanation(line, usage, expected, how, note)


def _explanation(line: BillLine, usage: Usage, expected: float | None, how: How, note: str) -> Explanation:
    return Explanation(
        name=usage.name,
        service=line.service,
        usage_type=line.usage_type,
        billed_usd=round(line.usd, 4),
        expected_usd=None if expected is None else round(expected, 4),
        how=how,
        note=note,
    )


def _standing_note(line: BillLine, expected: float, number: int) -> str:
    what = f"{number} stand{'s' if number == 1 else ''} there now"
    if abs(line.usd - expected) <= max(CENT, TOLERANCE * expected):
        return what
    if line.usd > expected:
        return f"{what}; {line.usd - expected:.2f} USD more was billed: more of it ran that day, or it is gone since"
    return f"{what}; {expected - line.usd:.2f} USD less was billed: new, stopped at times, untagged or discounted"


def _nothing_stands(line: BillLine, price: Price | None) -> str:
    known = f", {line.quantity:,.1f} {price.unit} at {price.usd:g}" if price and line.quantity else ""
    return f"nothing of the kind stands there now{known}: gone since, or without the platform's tags"


def _metered_note(line: BillLine, price: Price, expected: float) -> str:
    if abs(line.usd - expected) <= max(CENT, TOLERANCE * expected):
        return ""
    if line.usd < expected:
        return "; billed less: a later tier, a free allowance or a discount"
    return "; billed more than the list price"
