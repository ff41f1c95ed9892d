"""Whether a recommended size may be made real now: policy, ownership, bounds, daily limit, cool-down."""

from __future__ import annotations

from datetime import datetime, timedelta

from slipway.model.policies import Policies, Policy
from slipway.model.scale import Advice, Recommendation, ScaleFacts, ScaleState


def permitted(
    one: Recommendation, facts: ScaleFacts, policies: Policies, state: ScaleState, now: datetime
) -> tuple[bool, str]:
    """Whether a change may be made now, and if not why not."""
    resize = one.resize
    if resize is None:
        return False, "suggested: not a change of a size"
    group = next((g for g in facts.groups if g.name == resize.nodegroup), None)
    if policies.scale is not Policy.AUTO:
        return False, f"suggested: policies.scale is {policies.scale.value}"
    if facts.momentary and one.advice is Advice.MORE_NODES:
        return False, "suggested: it rests on one moment of metrics-server, which is no reason to change a size"
    if group is None or not group.ours or group.status != "ACTIVE":
        return False, "refused: the node group is not ours, or not ACTIVE"
    if facts.autoscaler:
        return False, "refused: Cluster Autoscaler owns desired sizes here"
    if group.desired != resize.before or not group.minimum <= resize.after <= group.maximum:
        return False, f"refused: {resize.after} is outside of {group.minimum} to {group.maximum}, or the size changed"
    today = [at for at, _ in state.changes if now - at < timedelta(days=1)]
    if len(today) >= policies.scale_changes_a_day:
        return False, f"refused: {len(today)} changes within a day, at most {policies.scale_changes_a_day}"
    cooldown = timedelta(hours=policies.scale_cooldown_hours)
    last = max((at for at, done in state.changes if done.nodegroup == group.name), default=None)
    if last is not None and now - last < cooldown:
        return False, f"refused: changed {last:%Y-%m-%d %H:%M}, cool-down of {policies.scale_cooldown_hours} h"
    return True, "applied"
