"""Node capacity: the published numbers, and properties that hold for every instance type."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rehearsal.aws.eks.capacity import InstanceType, allocatable, capacity, instance_type, max_pods
from rehearsal.aws.eks.capacity import reserved_cpu_millicores as reserved_cpu


@pytest.mark.parametrize(
    ("name", "pods", "with_prefixes"),
    # eni-max-pods.txt of amazon-vpc-cni; recommended caps of 110 and 250.
    [
        ("t3.small", 11, 110),
        ("t3.medium", 17, 110),
        ("r5.large", 29, 110),
        ("m5.large", 29, 110),
        ("c5.xlarge", 58, 110),
        ("m5.24xlarge", 250, 250),
    ],
)
def test_max_pods(name: str, pods: int, with_prefixes: int) -> None:
    kind = instance_type(name)
    assert kind is not None
    assert max_pods(kind, prefix_delegation=False) == pods
    assert max_pods(kind, prefix_delegation=True) == with_prefixes


def test_prefixes_need_nitro() -> None:
    kind = instance_type("m4.large")
    assert kind is not None
    assert max_pods(kind, prefix_delegation=True) == max_pods(kind, prefix_delegation=False) == 20


@pytest.mark.parametrize(("vcpus", "millicores"), [(1, 60), (2, 70), (4, 80), (8, 90), (16, 110), (96, 310)])
def test_reserved_cpu(vcpus: int, millicores: int) -> None:
    assert reserved_cpu(vcpus) == millicores


def test_t3_medium_allocatable() -> None:
    kind = instance_type("t3.medium")
    assert kind is not None
    kept = _kibibytes(capacity(kind, 20, 17)["memory"]) - _kibibytes(allocatable(kind, 20, 17)["memory"])
    assert kept == (255 + 11 * 17 + 100) * 1024
    assert allocatable(kind, 20, 17)["cpu"] == "1930m"


def test_unknown_type() -> None:
    assert instance_type("t3.gigantic") is None


@given(
    st.builds(
        InstanceType,
        name=st.just("x"),
        vcpus=st.integers(1, 448),
        memory_mib=st.integers(2048, 24 * 1024 * 1024),
        interfaces=st.integers(2, 15),
        addresses_per_interface=st.integers(2, 50),
        architectures=st.just(("x86_64",)),
        nitro=st.booleans(),
    ),
    st.integers(20, 1000),
    st.booleans(),
)
def test_allocatable_is_below_capacity(kind: InstanceType, disk: int, prefixes: bool) -> None:
    pods = max_pods(kind, prefix_delegation=prefixes)
    assert 2 < pods <= 250
    have, offered = capacity(kind, disk, pods), allocatable(kind, disk, pods)
    assert _kibibytes(offered["memory"]) < _kibibytes(have["memory"])
    assert 0 < _kibibytes(offered["ephemeral-storage"]) < _kibibytes(have["ephemeral-storage"])
    assert 0 < int(offered["cpu"].removesuffix("m")) < int(have["cpu"]) * 1000
    assert offered["pods"] == have["pods"] == str(pods)


def _kibibytes(quantity: str) -> int:
    return int(quantity.removesuffix("Ki"))
