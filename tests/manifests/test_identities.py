"""What acts in AWS: every role that is named is made, and pods may reach what gives it out."""

from __future__ import annotations

import re

import pytest

from tests.manifests.rendering import (
    BASE,
    ROOT,
    component_file,
    components,
    labels,
    load,
    platform,
    pod_template,
    selects,
)

# What EKS Pod Identity's agent listens on, on every node.
AGENT = {"cidr": "169.254.170.23/32"}
OUTPUTS = set(
    re.findall(
        r"^  (\w+RoleArn):$", (ROOT / "include/cloudformation/identity.yaml").read_text().split("\nOutputs:")[1], re.M
    )
)
ENVIRONMENTS = sorted((ROOT / "include/environments").glob("*.yaml"))
WANTED = [
    (rendering.component, component_file(rendering)["namespace"], identity["service_account"], identity["role"])
    for rendering in components()
    for identity in component_file(rendering).get("pod_identities", [])
]


def test_every_role_is_an_output_of_the_identity_stack() -> None:
    assert {role for *_, role in WANTED} <= OUTPUTS
    for file in ENVIRONMENTS:
        roles = {addon["role"] for addon in (load(file)[0].get("addons") or {}).values() if "role" in addon}
        assert roles <= OUTPUTS, file.name


def test_controllers_that_act_in_aws_have_a_role() -> None:
    assert {"cluster-autoscaler", "aws-load-balancer-controller", "log-shipper", "otel-collector"} <= {
        account for _, _, account, _ in WANTED
    }


@pytest.mark.parametrize(("component", "namespace", "account", "role"), WANTED, ids=lambda one: one)
def test_its_pods_reach_the_agent_that_gives_out_credentials(
    component: str, namespace: str, account: str, role: str
) -> None:
    everything = platform(BASE)
    pods = [
        template
        for one in everything
        if (template := pod_template(one)) is not None
        and one["metadata"]["namespace"] == namespace
        and template["spec"].get("serviceAccountName") == account
    ]
    assert pods, f"{component}: no pod runs as {namespace}/{account}, so {role} is for nobody"
    for template in pods:
        egress = [
            rule
            for one in everything
            if one["kind"] == "NetworkPolicy"
            and one["metadata"]["namespace"] == namespace
            and selects(one["spec"]["podSelector"], labels(template))
            for rule in one["spec"].get("egress") or []
        ]
        reached = any(
            peer.get("ipBlock") == AGENT and any(port["port"] == 80 for port in rule["ports"])
            for rule in egress
            for peer in rule.get("to", [])
        )
        assert reached, f"{component}: open egress to 169.254.170.23/32, port 80, for EKS Pod Identity"
