"""What the EKS add-ons ask of the nodes, for the fit check before there is a cluster to ask.

Requests of the add-ons' default configuration as EKS ships them for Kubernetes 1.36: CPU in millicores, memory in MiB.
Pods without requests still take a place among a node's pods.
"""

from __future__ import annotations

from dataclasses import replace

from slipway.decisions.fit import Demand

_ANY = (("", "*", ""),)


def _everywhere(name: str, cpu: int, memory: int) -> Demand:
    return Demand(f"DaemonSet kube-system/{name}", "add-on", 1, cpu, memory, tolerations=_ANY, everywhere=True)


def _two(name: str, cpu: int, memory: int) -> Demand:
    return Demand(f"Deployment kube-system/{name}", "add-on", 2, cpu, memory)


_FOOTPRINTS: dict[str, tuple[Demand, ...]] = {
    "vpc-cni": (_everywhere("aws-node", 50, 0),),
    "kube-proxy": (_everywhere("kube-proxy", 100, 0),),
    "eks-pod-identity-agent": (_everywhere("eks-pod-identity-agent", 0, 0),),
    "coredns": (_two("coredns", 100, 70),),
    "metrics-server": (_two("metrics-server", 100, 200),),
    "aws-ebs-csi-driver": (_everywhere("ebs-csi-node", 30, 120), _two("ebs-csi-controller", 60, 240)),
    "aws-efs-csi-driver": (_everywhere("efs-csi-node", 30, 120), _two("efs-csi-controller", 30, 120)),
    "aws-secrets-store-csi-driver-provider": (
        _everywhere("secrets-store-csi-driver", 70, 140),
        _everywhere("secrets-store-csi-driver-provider-aws", 50, 100),
    ),
    "eks-node-monitoring-agent": (_everywhere("eks-node-monitoring-agent", 10, 30),),
    "amazon-cloudwatch-observability": (
        _everywhere("cloudwatch-agent", 250, 128),
        _everywhere("fluent-bit", 50, 25),
        replace(_two("amazon-cloudwatch-observability-controller-manager", 100, 64), pods=1),
    ),
}


def addon_demands(addons: list[str], primary_selector: dict[str, str]) -> tuple[list[Demand], list[str]]:
    """Demands of the named add-ons, and the names of those whose footprint is not known.

    :param primary_selector: labels of the nodes where untolerating pods can run at all.
    """
    known = [demand for name in addons for demand in _FOOTPRINTS.get(name, ())]
    placed = [one if one.everywhere else replace(one, selector=primary_selector) for one in known]
    return placed, [name for name in addons if name not in _FOOTPRINTS]
