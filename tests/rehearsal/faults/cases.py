"""The 25 cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.rehearsal.faults import cases_aws as aws
from tests.rehearsal.faults import cases_kubernetes as kubernetes
from tests.rehearsal.faults import cases_states as states
from tests.rehearsal.faults.scoring import Part
from tests.rehearsal.faults.world import World


@dataclass(frozen=True)
class Case:
    """One case.

    :param must: what has to come of it.
    :param inject: how it is brought about.
    :param sampled: whether it is part of the sample that every change is held to.
    """

    number: int
    title: str
    must: str
    inject: str
    run: Callable[[World], list[Part]]
    sampled: bool = False


CASES = [
    Case(1, "Throttled a few times", "finishes", "microburst", aws.case_1, sampled=True),
    Case(2, "Throttled for ever", "fails with a class in time, goes on later", "microburst", aws.case_2),
    Case(3, "Bursts of 5xx", "finishes", "microburst", aws.case_3),
    Case(4, "Hung call", "finishes", "microburst", aws.case_4),
    Case(5, "Reset before the call landed", "finishes", "microburst", aws.case_5),
    Case(6, "Named create applied, answer lost", "adopted by our tag", "microburst", aws.case_6, sampled=True),
    Case(7, "Unnamed create applied, answer lost", "made once", "microburst", aws.case_7, sampled=True),
    Case(8, "Success cut short or corrupted", "read again", "microburst", aws.case_8, sampled=True),
    Case(9, "Credentials expire", "renewed once, goes on", "microburst", aws.case_9, sampled=True),
    Case(10, "Denied, bad signature, clock off", "one try, action named", "microburst", aws.case_10, sampled=True),
    Case(11, "Quota, zone, capacity", "no try without hope", "microburst, proxy", aws.case_11),
    Case(12, "Stuck CREATING, or FAILED", "fails in time with the reason", "proxy", states.case_12),
    Case(13, "Worker killed at each call", "converges, nothing twice", "proxy, SIGKILL", states.case_13),
    Case(14, "Delete during create, twice, of nothing", "gone", "seed", states.case_14),
    Case(15, "Leftovers at delete", "own go, others' are named", "microburst, seed", states.case_15),
    Case(
        16, "Stack failed or in progress", "fails with the reason, goes on once mended", "seed, proxy", states.case_16
    ),
    Case(17, "Deleted behind our back", "repaired, or found", "seed", states.case_17),
    Case(18, "Foreign, of our name", "untouched", "seed", states.case_18, sampled=True),
    Case(19, "Two runs at once", "one goes through", "microburst, two processes", states.case_19),
    Case(20, "Bad input", "no call is made", "files", states.case_20, sampled=True),
    Case(21, "Kubernetes 429, 500, 409", "finishes", "proxy", kubernetes.case_21, sampled=True),
    Case(22, "Kubernetes away, half-open, slow, 410", "finishes, or fails and goes on", "proxy", kubernetes.case_22),
    Case(23, "Rollout never ready", "reason shown, goes on once mended", "seed, proxy", kubernetes.case_23),
    Case(24, "Node or pod gone, eviction refused", "comes back, nothing forced", "seed", kubernetes.case_24),
    Case(25, "Kept by a finalizer", "named, in time", "seed", kubernetes.case_25),
]
