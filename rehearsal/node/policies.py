"""Network policies on real nodes, as nftables rules in each node's own packet filter.

The known agents' modules could not be had, and AWS' agent needs eBPF programs that Go does not build. Pods hang on
routed links, so all they say and hear passes the forward hook of their node; kubelets' probes come from the node
itself and do not, as Kubernetes wants it. Services are translated before, so rules see pods and their ports.
"""

from __future__ import annotations

import json
import logging
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from rehearsal.kubernetes.selectors import label_selector

log = logging.getLogger(__name__)
Obj = dict[str, Any]
_TABLE = "slipway_policies"
_FINISHED = {"Succeeded", "Failed"}
_SECONDS = 20


@dataclass(frozen=True)
class Pod:
    """A pod that has an address of its own."""

    namespace: str
    node: str
    address: str
    labels: Mapping[str, str]


@dataclass
class Direction:
    """Rules of one node for what its pods hear, or say.

    :ivar isolated: addresses of pods that some policy selects.
    :ivar allowed: matches of what is let through.
    """

    isolated: set[str] = field(default_factory=set)
    allowed: list[str] = field(default_factory=list)


def pods_of(found: Iterable[Obj]) -> list[Pod]:
    """The pods that policies are about; those on their node's network are none."""
    return [
        Pod(pod["metadata"]["namespace"], pod["spec"].get("nodeName", ""), address, pod["metadata"].get("labels") or {})
        for pod in found
        if (address := pod["status"].get("podIP"))
        and not pod["spec"].get("hostNetwork")
        and pod["status"].get("phase") not in _FINISHED
    ]


def rulesets(pods: list[Pod], namespaces: Mapping[str, Mapping[str, str]], policies: Iterable[Obj]) -> dict[str, str]:
    """What ``nft -f`` is to be given, by node that has isolated pods.

    :param namespaces: their labels by name.
    """
    found: dict[str, dict[str, Direction]] = defaultdict(lambda: {"ingress": Direction(), "egress": Direction()})
    for policy in policies:
        spec, namespace = policy["spec"], policy["metadata"]["namespace"]
        matches = label_selector(spec.get("podSelector") or {})
        selected: dict[str, set[str]] = defaultdict(set)
        for pod in pods:
            if pod.namespace == namespace and matches(pod.labels):
                selected[pod.node].add(pod.address)
        for kind in spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]:
            matched = list(_matches(spec.get(kind.lower()) or [], kind.lower(), namespace, pods, namespaces))
            for node, addresses in selected.items():
                direction = found[node][kind.lower()]
                direction.isolated |= addresses
                own = f"ip {'daddr' if kind == 'Ingress' else 'saddr'} {_set(addresses)}"
                direction.allowed += [f"{own} {match} return".replace("  ", " ") for match in matched]
    return {node: _ruleset(directions) for node, directions in found.items()}


def _matches(
    rules: list[Obj], kind: str, namespace: str, pods: list[Pod], namespaces: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    side, peers_key = ("saddr", "from") if kind == "ingress" else ("daddr", "to")
    for rule in rules:
        peers = rule.get(peers_key)
        sides = [""] if not peers else [one for peer in peers for one in _peer(peer, side, namespace, pods, namespaces)]
        ports = rule.get("ports")
        for one in sides:
            for port in [""] if not ports else [text for entry in ports for text in _port(entry)]:
                yield f"{one} {port}".strip()


def _peer(
    peer: Obj, side: str, namespace: str, pods: list[Pod], namespaces: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    if block := peer.get("ipBlock"):
        if ":" not in block["cidr"]:
            excepted = f" ip {side} != {_set(block['except'])}" if block.get("except") else ""
            yield f"ip {side} {block['cidr']}{excepted}"
        return
    spaces = {namespace}
    if "namespaceSelector" in peer:
        in_space = label_selector(peer["namespaceSelector"] or {})
        spaces = {name for name, labels in namespaces.items() if in_space(labels)}
    of_pod = label_selector(peer.get("podSelector") or {})
    if addresses := {pod.address for pod in pods if pod.namespace in spaces and of_pod(pod.labels)}:
        yield f"ip {side} {_set(addresses)}"


def _port(entry: Obj) -> Iterator[str]:
    protocol, port = entry.get("protocol", "TCP").lower(), entry.get("port")
    if port is None:
        yield f"meta l4proto {protocol}"
    elif isinstance(port, int):
        yield f"{protocol} dport {port}" + (f"-{entry['endPort']}" if "endPort" in entry else "")
    else:
        # Closed, not open, for a name: the manifests number all their ports.
        log.warning("port %r of a network policy is named; only numbers are let through", port)


def _set(addresses: Iterable[str]) -> str:
    return "{ " + ", ".join(sorted(addresses)) + " }"


def _ruleset(directions: Mapping[str, Direction]) -> str:
    lines = [f"table ip {_TABLE} {{}}", f"delete table ip {_TABLE}", f"table ip {_TABLE} {{"]
    lines += ["chain forward {", "type filter hook forward priority filter; policy accept;"]
    lines.append("ct state established,related accept")
    for kind, side in (("egress", "saddr"), ("ingress", "daddr")):
        if directions[kind].isolated:
            lines.append(f"ip {side} {_set(directions[kind].isolated)} jump {kind}")
    lines.append("}")
    for kind, direction in directions.items():
        lines += [f"chain {kind} {{", *dict.fromkeys(direction.allowed), "counter drop", "}"]
    return "\n".join([*lines, "}", ""])


class Policies:
    """Keeps the packet filters of a cluster's nodes as its policies want them."""

    def __init__(self) -> None:
        self._applied: dict[tuple[str, int], str] = {}

    def enforce(self, api: client.ApiClient, pods: Iterable[Obj], nodes: Mapping[str, int]) -> None:
        """Look once and change what has to.

        :param pods: all there are.
        :param nodes: a process in each node's network namespace, by node.
        """
        core, networking = client.CoreV1Api(api), client.NetworkingV1Api(api)
        spaces = listed(core.list_namespace)
        namespaces = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in spaces}
        policies = listed(networking.list_network_policy_for_all_namespaces)
        wanted = rulesets(pods_of(pods), namespaces, policies)
        empty = _ruleset({"ingress": Direction(), "egress": Direction()})
        for node, pid in nodes.items():
            text = wanted.get(node, empty)
            if self._applied.get((node, pid)) != text and _apply(pid, text):
                self._applied[node, pid] = text


def listed(ask: Callable[..., Any]) -> list[Obj]:
    """All objects that a list method of a client finds."""
    # From the API server's cache, and not made into objects: this is asked every second.
    return list(json.loads(ask(resource_version="0", _preload_content=False).data)["items"])


def _apply(pid: int, ruleset: str) -> bool:
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "nft", "-f", "-"]
    done = subprocess.run(command, input=ruleset, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode != 0:
        log.error("network policies were not applied: %s", done.stderr.strip()[:1000])
    return done.returncode == 0
