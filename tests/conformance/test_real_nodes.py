"""Containers on real nodes: what no simulation can show. ``make cluster-test`` runs it, as root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.conftest import ASKED
from tests.conformance.test_admin import INSTANCES, command_lines, group
from tests.rehearsal.kubernetes.support import PLANE, ClusterUnderTest, Kubectl, Process, eventually

pytestmark = [
    pytest.mark.skipif(not ASKED or PLANE != "rehearsal.node", reason="make cluster-test runs this, on real nodes"),
    pytest.mark.timeout(300),
]
BUSYBOX = "busybox:1.37.0"
SERVE = "mkdir -p /tmp/w && echo hello >/tmp/w/index.html && httpd -f -p 8080 -h /tmp/w"
GP3 = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "gp3"},
    "provisioner": "ebs.csi.aws.com",
    "volumeBindingMode": "WaitForFirstConsumer",
}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    made = Process(tmp_path_factory.mktemp("real"), "http://127.0.0.1:1").start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def kubectl(process: Process) -> Kubectl:
    """kubectl for a cluster with three nodes, DNS and disks, and a namespace with pods in it."""
    made = ClusterUnderTest(process, "real")
    group(made, INSTANCES[:3])
    for name in ("coredns", "aws-ebs-csi-driver"):
        made.add_on(name)
    found = Kubectl(made.kubeconfig(made.admin_token()))
    eventually(lambda: made.process.call("GET", f"{made.path}/addons/coredns")["ready"], seconds=120)
    found("apply", "-f", "-", stdin=[GP3, *tenants()])
    for name in ("server", "friend", "stranger"):
        found("wait", "-n", "tenants", "--for=condition=Ready", f"pod/{name}", "--timeout=55s")
    return found


def tenants() -> list[dict[str, Any]]:
    """A namespace that enforces `restricted` and denies traffic, but from the friend to the server."""
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "gp3",
        "resources": {"requests": {"storage": "1Gi"}},
    }
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    ports: list[dict[str, Any]] = [{"port": 53, "protocol": "UDP"}, {"port": 53}]
    to_server = {"ports": [{"port": 8080}], "to": [{"podSelector": {"matchLabels": {"app": "server"}}}]}
    from_friend = {"ports": [{"port": 8080}], "from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenants", "labels": labels}},
        policy("deny", {}, policyTypes=["Ingress", "Egress"], egress=[{"ports": ports}]),
        policy("server", {"matchLabels": {"app": "server"}}, policyTypes=["Ingress"], ingress=[from_friend]),
        policy("friend", {"matchLabels": {"app": "friend"}}, policyTypes=["Egress"], egress=[to_server]),
        tenant("v1", "Service", "server", selector={"app": "server"}, ports=[{"port": 80, "targetPort": 8080}]),
        tenant("v1", "PersistentVolumeClaim", "data", **claim),
        pod("server", SERVE, claim="data"),
        pod("friend", "sleep 600"),
        pod("stranger", "sleep 600"),
    ]


def tenant(version: str, kind: str, name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "tenants"}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def policy(name: str, selector: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return tenant("networking.k8s.io/v1", "NetworkPolicy", name, podSelector=selector, **spec)


def pod(name: str, script: str, claim: str = "", image: str = BUSYBOX) -> dict[str, Any]:
    """A pod that meets `restricted`."""
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]
    if claim:
        volumes.append({"name": "data", "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": "data", "mountPath": "/data"})
    container = {
        "name": "main",
        "image": image,
        "command": ["sh", "-c", script],
        "resources": {"limits": {"memory": "64Mi"}},
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    identity: dict[str, Any] = {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532}
    identity |= {"seccompProfile": {"type": "RuntimeDefault"}}
    made = tenant("v1", "Pod", name, containers=[container], volumes=volumes, securityContext=identity)
    made["metadata"]["labels"] = {"app": name}
    return made


def inside(kubectl: Kubectl, name: str, script: str, ok: bool | None = True) -> str:
    """What a shell in a pod prints."""
    return kubectl("exec", "-n", "tenants", name, "--", "sh", "-c", script, ok=ok).out


def test_a_container_has_no_more_rights_than_it_was_given(kubectl: Kubectl) -> None:
    status = inside(kubectl, "friend", "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/1/status; id -u")
    assert status.split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1", "Seccomp:", "2", "65532"]
    assert "Read-only" in kubectl("exec", "-n", "tenants", "friend", "--", "touch", "/x", ok=False).err


def test_a_pod_that_asks_for_more_is_refused(kubectl: Kubectl) -> None:
    said = kubectl("run", "-n", "tenants", "root", f"--image={BUSYBOX}", ok=False).err
    assert 'violates PodSecurity "restricted' in said


def test_a_service_is_found_by_name_and_reached_by_whom_policies_name(kubectl: Kubectl) -> None:
    ask = "wget -qO- -T 3 http://server.tenants"
    eventually(lambda: inside(kubectl, "friend", ask, ok=None).strip() == "hello")
    eventually(lambda: "timed out" in kubectl("exec", "-n", "tenants", "stranger", "--", *ask.split(), ok=False).err)


def test_nothing_outside_is_reached(kubectl: Kubectl) -> None:
    # An address of the documentation's range: nobody's.
    said = inside(kubectl, "friend", "wget -qO- -T 3 http://203.0.113.1 2>&1 || echo refused")
    assert said.strip().endswith("refused")


def test_a_disk_belongs_to_the_group_of_its_pod_and_goes_with_its_claim(kubectl: Kubectl) -> None:
    assert inside(kubectl, "server", "echo kept >/data/x && stat -c %g /data/x").strip() == "65532"
    (name,) = kubectl("get", "pv", "-o", "name").out.split()
    path = Path(kubectl("get", name, "-o", "jsonpath={.spec.local.path}").out)
    assert (path / "x").read_text() == "kept\n"
    kubectl("delete", "-n", "tenants", "pod/server", "pvc/data", "--grace-period=1")
    eventually(lambda: not path.exists(), seconds=30)


def test_logs_and_exit_codes_are_the_containers_own(kubectl: Kubectl) -> None:
    made = pod("fails", "echo said; exit 3")
    made["spec"]["restartPolicy"] = "Never"
    kubectl("apply", "-f", "-", stdin=made)
    code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    eventually(lambda: kubectl("get", "-n", "tenants", "pod/fails", "-o", code).out == "3", seconds=30)
    assert kubectl("logs", "-n", "tenants", "fails").out == "said\n"


def test_what_has_no_image_is_simulated_and_its_check_not_run(kubectl: Kubectl) -> None:
    made = pod("missing", "true", image="registry.example/nobody/built:1")
    made["spec"]["restartPolicy"] = "Never"
    made["metadata"]["labels"]["slipway.dev/role"] = "check"
    kubectl("apply", "-f", "-", stdin=made)
    code = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    eventually(lambda: kubectl("get", "-n", "tenants", "pod/missing", "-o", code).out == "100", seconds=30)
    made = pod("absent", "true", image="registry.example/nobody/built:2")
    kubectl("apply", "-f", "-", stdin=made)
    kubectl("wait", "-n", "tenants", "--for=condition=Ready", "pod/absent", "--timeout=30s")
    assert kubectl("get", "-n", "tenants", "pods", "-l", "slipway.dev/simulated", "-o", "name").out.split() == [
        "pod/absent",
        "pod/missing",
    ]


def test_nothing_is_left(kubectl: Kubectl, process: Process) -> None:
    assert kubectl("get", "nodes").out.count(" Ready ") == 3
    assert process.stop() == 0
    links = subprocess.run(["/usr/sbin/ip", "-brief", "link"], capture_output=True, text=True, check=True).stdout
    assert "slipway" not in links
    assert [line for line in command_lines() if str(process.state) in line] == []
    assert [str(one) for one in Path("/sys/fs/cgroup").glob("**/slipway")] == []
    assert str(process.state) not in Path("/proc/mounts").read_text()
