"""Network policies become rules of the nodes whose pods they select."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.node.policies import pods_of, rulesets

NAMESPACES = {"data": {"kubernetes.io/metadata.name": "data"}, "apps": {"kubernetes.io/metadata.name": "apps"}}


def pod(name: str, namespace: str, node: str, address: str, **changes: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"nodeName": node, **changes},
        "status": {"podIP": address, "phase": "Running"},
    }


PODS = [
    pod("db", "data", "one", "10.244.1.2"),
    pod("web", "apps", "two", "10.244.2.2"),
    pod("web", "data", "two", "10.244.2.3"),
    pod("agent", "data", "one", "10.20.1.4", hostNetwork=True),
]


def policy(namespace: str = "data", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": namespace}, "spec": spec}


def compiled(*policies: dict[str, Any], pods: list[dict[str, Any]] | None = None) -> dict[str, str]:
    return rulesets(pods_of(pods or PODS), NAMESPACES, policies)


def test_a_policy_without_rules_isolates_what_it_selects_and_nothing_else() -> None:
    found = compiled(policy(podSelector={"matchLabels": {"app": "db"}}, policyTypes=["Ingress", "Egress"]))
    assert set(found) == {"one"}
    assert "ip daddr { 10.244.1.2 } jump ingress" in found["one"]
    assert "ip saddr { 10.244.1.2 } jump egress" in found["one"]
    assert "return" not in found["one"]


def test_pods_on_the_network_of_their_node_are_not_selected() -> None:
    found = compiled(policy(podSelector={}, policyTypes=["Ingress"]))
    assert "10.20.1.4" not in "".join(found.values())


def test_a_finished_pod_is_forgotten() -> None:
    done = pod("db", "data", "one", "10.244.1.2")
    done["status"]["phase"] = "Succeeded"
    assert compiled(policy(podSelector={}), pods=[done]) == {}


@pytest.mark.parametrize(
    ("peer", "addresses"),
    [
        ({"podSelector": {"matchLabels": {"app": "web"}}}, "{ 10.244.2.3 }"),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "apps"}}}, "{ 10.244.2.2 }"),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}}, "{ 10.244.2.2, 10.244.2.3 }"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, "10.0.0.0/8 ip saddr != { 10.1.0.0/16 }"),
    ],
)
def test_peers(peer: dict[str, Any], addresses: str) -> None:
    rule = {"from": [peer], "ports": [{"port": 5432}]}
    found = compiled(policy(podSelector={"matchLabels": {"app": "db"}}, ingress=[rule]))
    assert f"ip daddr {{ 10.244.1.2 }} ip saddr {addresses} tcp dport 5432 return" in found["one"]


def test_a_peer_that_nobody_is_lets_nobody_through() -> None:
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "nobody"}}}]}
    assert "return" not in compiled(policy(podSelector={}, ingress=[rule]))["one"]


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ({"port": 53, "protocol": "UDP"}, "udp dport 53"),
        ({"port": 8000, "endPort": 8010}, "tcp dport 8000-8010"),
        ({"protocol": "TCP"}, "meta l4proto tcp"),
    ],
)
def test_ports(port: dict[str, Any], words: str) -> None:
    found = compiled(
        policy(podSelector={"matchLabels": {"app": "db"}}, policyTypes=["Egress"], egress=[{"ports": [port]}])
    )
    assert f"ip saddr {{ 10.244.1.2 }} {words} return" in found["one"]


def test_a_rule_without_peers_and_ports_lets_everything_through() -> None:
    found = compiled(policy(podSelector={"matchLabels": {"app": "db"}}, ingress=[{}]))
    assert "ip daddr { 10.244.1.2 } return" in found["one"]


def test_egress_is_left_open_by_a_policy_that_does_not_mention_it() -> None:
    found = compiled(policy(podSelector={}, ingress=[]))
    assert "jump egress" not in "".join(found.values())


def test_a_named_port_stays_closed() -> None:
    assert "return" not in compiled(policy(podSelector={}, ingress=[{"ports": [{"port": "http"}]}]))["one"]
