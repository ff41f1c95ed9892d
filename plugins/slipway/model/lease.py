"""The lease: who may change a platform, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta

from slipway.model.records import Record

LEASE_KEY = "lease.json"
LEASE_TTL = timedelta(minutes=60)


class Lease(Record):
    """One run's right to change a platform. A released lease keeps its last holder and has ended.

    :param holder: run id; unique only together with the DAG.
    :param since: when the holder got it.
    :param until: when it ends unless renewed.
    :param released: the holder gave it back.
    """

    platform: str
    holder: str
    dag_id: str
    since: datetime
    until: datetime
    released: bool = False

    def is_held(self, now: datetime) -> bool:
        """Whether it keeps others out at ``now``."""
        return not self.released and now < self.until

    def belongs_to(self, holder: str, dag_id: str) -> bool:
        """Whether that run is its holder."""
        return (self.holder, self.dag_id) == (holder, dag_id)

    def __str__(self) -> str:
        return (
            f"run {self.holder} of DAG {self.dag_id}, since {self.since:%Y-%m-%d %H:%M} UTC, "
            f"until {self.until:%Y-%m-%d %H:%M} UTC unless renewed"
        )
