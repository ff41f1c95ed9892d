"""Who gets the lease."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from slipway.decisions.leases import RENEW_AFTER, Verdict, decide
from slipway.model.lease import Lease

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TTL = timedelta(minutes=60)

moments = st.integers(-7200, 7200).map(lambda seconds: NOW + timedelta(seconds=seconds))
runs = st.sampled_from(["run-1", "run-2"])
leases = st.builds(
    Lease, platform=st.just("slipway-dev"), holder=runs, dag_id=st.just("d"), since=moments, until=moments,
    released=st.booleans(),
)  # fmt: skip


def ask(current: Lease | None, holder: str = "run-1", now: datetime = NOW) -> Verdict:
    return decide(current, platform="slipway-dev", holder=holder, dag_id="d", ttl=TTL, now=now)


def held_by(holder: str, until: datetime, **changes: object) -> Lease:
    lease = Lease(platform="slipway-dev", holder=holder, dag_id="d", since=NOW, until=until)
    return lease.model_copy(update=changes)


def test_a_free_platform_goes_to_whoever_asks() -> None:
    verdict = ask(None)
    assert verdict.write
    assert (verdict.lease.holder, verdict.lease.since, verdict.lease.until) == ("run-1", NOW, NOW + TTL)


def test_a_lease_is_renewed_only_when_enough_of_it_is_used_up() -> None:
    early, late = NOW + TTL * (RENEW_AFTER - 0.01), NOW + TTL * (RENEW_AFTER + 0.01)
    lease = held_by("run-1", NOW + TTL)
    assert ask(lease, now=early) == Verdict(lease)
    renewed = ask(lease, now=late)
    assert renewed.write
    assert (renewed.lease.since, renewed.lease.until) == (NOW, late + TTL)


def test_the_same_run_id_of_another_dag_is_another_run() -> None:
    other = held_by("run-1", NOW + TTL, dag_id="platform_teardown")
    assert ask(other) == Verdict(other, refused=True)


def test_it_ends_on_the_second() -> None:
    assert ask(held_by("run-2", NOW + timedelta(seconds=1))).refused
    assert not ask(held_by("run-2", NOW)).refused


@given(current=st.none() | leases, holder=runs, now=moments)
def test_nobody_loses_a_lease_that_is_held(current: Lease | None, holder: str, now: datetime) -> None:
    verdict = ask(current, holder, now)
    others = current is not None and current.is_held(now) and current.holder != holder
    assert verdict.refused == others
    assert not (verdict.refused and verdict.write)


@given(current=st.none() | leases, holder=runs, now=moments)
def test_after_a_grant_the_lease_is_held_by_who_asked(current: Lease | None, holder: str, now: datetime) -> None:
    verdict = ask(current, holder, now)
    assert verdict.lease.is_held(now)
    assert verdict.lease.belongs_to(holder, "d") != verdict.refused
