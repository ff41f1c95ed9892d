"""Auto Scaling: instances are spread over the group's subnets, and taken from the fullest zone.

moto launches all instances in the first subnet and removes them in no order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from moto.autoscaling.models import FakeAutoScalingGroup

from rehearsal.aws.moto_fixes.wrapping import around


def install() -> None:
    """Correct launching and scaling in."""
    around(FakeAutoScalingGroup, "replace_autoscaling_group_instances", _launch)
    around(FakeAutoScalingGroup, "set_desired_capacity", _resize)


def _launch(original: Callable[..., Any], group: Any, count: int, tags: dict[str, str]) -> None:
    subnets = group.vpc_zone_identifier.split(",") if group.vpc_zone_identifier else []
    everywhere = group.vpc_zone_identifier
    for _ in range(count):
        if subnets:
            used = Counter(state.instance.subnet_id for state in group.active_instances())
            emptiest = min(subnets, key=lambda subnet: (used[subnet], subnets.index(subnet)))
            group.vpc_zone_identifier = emptiest
        try:
            original(group, 1, dict(tags))
        finally:
            group.vpc_zone_identifier = everywhere


def _resize(original: Callable[..., Any], group: Any, capacity: int | None) -> Any:
    # The original removes from the front; put first what leaves the zones balanced.
    remaining, leaving = list(group.instance_states), []
    while remaining:
        zones = Counter(state.instance.placement.zone for state in remaining)
        victim = max(remaining, key=lambda state: zones[state.instance.placement.zone])
        remaining.remove(victim)
        leaving.append(victim)
    group.instance_states = leaving
    return original(group, capacity)
