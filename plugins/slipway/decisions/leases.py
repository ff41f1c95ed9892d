"""Who gets a platform's lease."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from slipway.model.lease import Lease

# A lease is written again only once this much of it is used up: tasks come in bursts.
RENEW_AFTER = 0.25


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about a lease.

    :param write: the lease to write, ``None`` when the present one is good as it is or in the way.
    :param held_by: the lease in the way.
    """

    write: Lease | None = None
    held_by: Lease | None = None


def decide(current: Lease | None, *, platform: str, holder: str, dag_id: str, ttl: timedelta, now: datetime) -> Verdict:
    """Grant, renew, take over or refuse.

    A free or expired lease goes to whoever asks; a lease that is held, only to its holder.
    """
    if current is not None and current.is_held(now):
        if not current.belongs_to(holder, dag_id):
            return Verdict(held_by=current)
        if now - (current.until - ttl) < ttl * RENEW_AFTER:
            return Verdict()
        return Verdict(write=current.model_copy(update={"until": now + ttl}))
    return Verdict(write=Lease(platform=platform, holder=holder, dag_id=dag_id, since=now, until=now + ttl))
