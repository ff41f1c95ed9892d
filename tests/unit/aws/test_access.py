"""Access entries and pod identities."""

from __future__ import annotations

from typing import Any

from slipway.decisions.access import (
    WantedEntry,
    WantedIdentity,
    entry_change,
    satisfied,
    surplus_entries,
    surplus_identities,
    wanted_entries,
)
from slipway.model.environment import AccessPolicy
from slipway.model.platform import Platform

from tests.unit.aws.conftest import make_platform

ALICE, BOB, DEPLOYER = (f"arn:aws:iam::123456789012:role/{name}" for name in ("alice", "bob", "deployer"))
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def live(*policies: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"policies": [{"policyArn": arn, "accessScope": scope} for arn, scope in policies]}


def test_the_deployer_always_keeps_its_way_in() -> None:
    access = [
        {"principal_arn": ALICE, "policy": "AmazonEKSViewPolicy", "namespaces": ["apps"]},
        {"principal_arn": DEPLOYER, "policy": "AmazonEKSViewPolicy"},
    ]
    entries = wanted_entries(make_platform(access=access), DEPLOYER)
    assert [(entry.principal_arn, entry.policy) for entry in entries] == [
        (ALICE, AccessPolicy.VIEW),
        (DEPLOYER, AccessPolicy.CLUSTER_ADMIN),
    ]
    assert entries[0].scope == {"type": "namespace", "namespaces": ["apps"]}


def test_policies_live_in_the_partition_of_the_principal() -> None:
    entry = WantedEntry("arn:aws-cn:iam::123456789012:role/x", AccessPolicy.VIEW)
    assert entry.policy_arn == "arn:aws-cn:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def test_entries_are_compared_with_their_scope() -> None:
    wanted = WantedEntry(ALICE, AccessPolicy.VIEW, ("b", "a"))
    same = live((VIEW, {"type": "namespace", "namespaces": ["b", "a"]}))
    assert entry_change(same, wanted).fields == []
    wider = entry_change(live((VIEW, {"type": "cluster", "namespaces": []})), wanted)
    assert wider.associate
    other = entry_change(live((ADMIN, {"type": "cluster"})), wanted)
    assert (other.create, other.associate, other.disassociate) == (False, True, (ADMIN,))
    assert entry_change(None, wanted).create


def test_somebody_elses_entry_will_do_if_it_grants_enough() -> None:
    wanted = WantedEntry(DEPLOYER, AccessPolicy.CLUSTER_ADMIN)
    assert satisfied(live((ADMIN, {"type": "cluster"}), (VIEW, {"type": "cluster"})), wanted)
    assert not satisfied(live((VIEW, {"type": "cluster"})), wanted)


def test_only_entries_of_ours_are_removed(platform: Platform) -> None:
    entries = {ALICE: platform.tags, BOB: {"team": "other"}, DEPLOYER: platform.tags}
    assert surplus_entries(entries, [WantedEntry(DEPLOYER, AccessPolicy.CLUSTER_ADMIN)], platform) == [ALICE]


def test_only_pod_identities_of_ours_that_no_add_on_owns_are_removed(platform: Platform) -> None:
    def association(account: str, tags: dict[str, str], **more: str) -> dict[str, Any]:
        return {"namespace": "kube-system", "serviceAccount": account, "tags": tags, **more}

    found = [
        association("kept", platform.tags),
        association("gone", platform.tags),
        association("theirs", {}),
        association("aws-node", platform.tags, ownerArn="arn:aws:eks:us-east-1:123456789012:addon/x"),
    ]
    wanted = [WantedIdentity("kube-system", "kept", "RoleArn")]
    assert [entry["serviceAccount"] for entry in surplus_identities(found, wanted, platform)] == ["gone"]
