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

    :param lease: the lease in force afterwards, the asker's unless refused.
    :param write: it differs from the present one and has to be written.
    :param refused: it is another run's.
    """

    lease: Lease
    write: bool = False
    refused: bool = False


def decide(current: Lease | None, *, platform: str, holder: str, dag_id: str, ttl: timedelta, now: datetime) -> Verdict:
    """Grant, renew, take over or refuse.

    A free or expired lease goes to whoever asks; a lease that is held, only to its holder.
    """
    if current is None or not current.is_held(now):
        granted = Lease(platform=platform, holder=holder, dag_id=dag_id, since=now, until=now + ttl)
        return Verdict(granted, write=True)
    if not current.belongs_to(holder, dag_id):
        return Verdict(current, refused=True)
    if now - (current.until - ttl) < ttl * RENEW_AFTER:
        return Verdict(current)
    return Verdict(current.model_copy(update={"until": now + ttl}), write=True)
