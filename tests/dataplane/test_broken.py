"""What each check says when what it checks is broken: it fails, proves nothing, and tells a person where to look."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.dataplane.disks import full
from tests.dataplane.running import Running, failed_with

# Checks wait for what may still come up; here it does not.
SOON = {"WAIT_SECONDS": "10", "SETTLE_SECONDS": "10"}


class TestKafka:
    """One of three brokers is down."""

    @pytest.fixture(scope="class", autouse=True)
    def _two_brokers(self, platform: Running) -> Iterator[None]:
        with platform.scaled("streaming", "statefulset/kafka", 2):
            yield

    def test_replication(self, platform: Running) -> None:
        failed_with(platform.check("kafka", "replication", **SOON), r"\d+ partitions are under-replicated", "Isr: ")

    def test_quorum(self, platform: Running) -> None:
        time.sleep(15)
        failed_with(platform.check("kafka", "quorum"), "a voter", "is not running")

    def test_round_trip(self, platform: Running) -> None:
        failed_with(platform.check("kafka", "round-trip"), "with 3 replicas", "are 3 brokers up")


@pytest.mark.parametrize(
    ("component", "check", "variable", "words"),
    [
        ("mongodb", "replica-set", "MONGO_PASSWORD", [r"[Aa]uthentication", "look at the pods"]),
        ("mongodb", "write-read", "MONGO_PASSWORD", [r"[Aa]uthentication", "look at the pods"]),
        ("postgresql", "write-read", "PGPASSWORD", ["password authentication failed", "Look at pod"]),
        ("postgresql", "strangers-refused", "PGPASSWORD", ["not even the right login works", "Look at pod"]),
        ("postgresql", "dump-restores", "PGPASSWORD", ["password authentication failed", "Look at pod"]),
        ("mysql", "write-read", "MYSQL_CHECKS_PASSWORD", ["Access denied", "Secret mysql-auth"]),
        ("airflow", "login", "AIRFLOW_PASSWORD", ["answered with 401, wanted 201", "airflow-migrate"]),
        ("airflow", "etl", "AIRFLOW_PASSWORD", ["no login", "see check login"]),
    ],
)
def test_a_wrong_password(platform: Running, component: str, check: str, variable: str, words: list[str]) -> None:
    failed_with(platform.check(component, check, **{variable: "not-the-password"}), *words)


@pytest.mark.parametrize(
    ("namespace", "workload", "checks"),
    [
        ("data", "statefulset/mongodb", [("mongodb", "replica-set", "look at the pods")]),
        ("data", "statefulset/postgresql", [("postgresql", "write-read", "Look at pod data/postgresql-0")]),
        ("data", "statefulset/hdfs-namenode", [("hdfs", "datanodes", "Look at pods")]),
        (
            "apps",
            "statefulset/mysql",
            [("mysql", "write-read", "look at the pod"), ("maze", "page", "/readyz answers|does not answer")],
        ),
        ("apps", "deployment/maze", [("maze", "page", "look at deployment/maze")]),
        ("monitoring", "statefulset/alertmanager", [("alertmanager", "watchdog-arrives", "network policies")]),
        (
            "monitoring",
            "deployment/kube-state-metrics",
            [("kube-state-metrics", "objects-counted", "Look at its log")],
        ),
        ("data", "statefulset/spark-master", [("spark", "stranger", "look at pod spark-master-0")]),
    ],
)
def test_a_server_that_is_down(
    platform: Running, namespace: str, workload: str, checks: list[tuple[str, str, str]]
) -> None:
    with platform.scaled(namespace, workload, 0):
        for component, check, words in checks:
            failed_with(platform.check(component, check, **SOON), words)


def test_a_replica_of_hdfs_is_missing(platform: Running) -> None:
    with platform.scaled("data", "statefulset/hdfs-datanode", 2):
        # Until then the NameNode takes it for alive.
        time.sleep(170)
        failed_with(platform.check("hdfs", "datanodes", **SOON), "2 of 3 DataNodes live", "Look at pods")


def test_a_target_is_down(platform: Running) -> None:
    with platform.scaled("monitoring", "deployment/kube-state-metrics", 0):
        outcome = platform.check("prometheus", "targets-up", REQUIRED_JOBS="kubelet kube-state-metrics", **SOON)
        failed_with(outcome, "no fresh target of: kube-state-metrics", "/targets")


def test_nodes_without_an_exporter(platform: Running) -> None:
    where = ("-n", "node-agents", "daemonset/node-exporter", "--type=json")
    path = "/spec/template/spec/nodeSelector/slipway.dev~1nobody"
    platform.kubectl("patch", *where, "-p", json.dumps([{"op": "add", "path": path, "value": "here"}]))
    try:
        time.sleep(20)
        outcome = platform.check("node-exporter", "every-node-reports", **SOON)
    finally:
        platform.kubectl("patch", *where, "-p", json.dumps([{"op": "remove", "path": path}]))
        platform.settled("node-agents", "daemonset/node-exporter")
    failed_with(outcome, "0 of 3 nodes report", "node-agents/node-exporter")


def test_policies_that_nobody_enforces(platform: Running) -> None:
    # Of what its policy lets it reach, the check must say that it is reached.
    outcome = platform.check("prometheus", "default-deny", DENIED_URL="http://prometheus.monitoring.svc:9090")
    failed_with(outcome, "network policies are not enforced", "enableNetworkPolicy")


def test_a_namespace_that_lets_privileged_pods_in(platform: Running) -> None:
    label = "pod-security.kubernetes.io/enforce"
    with labelled(platform, "namespace/validation", f"{label}=privileged", f"{label}=restricted"):
        failed_with(platform.check("namespaces", "pod-security"), "privileged")


def test_a_class_that_is_not_the_default(platform: Running) -> None:
    name = "storageclass.kubernetes.io/is-default-class"
    platform.kubectl("annotate", "storageclass/gp3", f"{name}=false", "--overwrite")
    try:
        outcome = platform.check("storage-classes", "default-class")
    finally:
        platform.kubectl("annotate", "storageclass/gp3", f"{name}=true", "--overwrite")
    failed_with(outcome)


def test_no_worker_for_a_job(platform: Running) -> None:
    with platform.scaled("data", "deployment/spark-worker", 0):
        failed_with(platform.check("spark", "job", **SOON), "worker")


class TestStream:
    """Nothing arrives."""

    def test_no_source(self, platform: Running) -> None:
        with platform.scaled("data", "deployment/stream-source", 0):
            outcome = platform.check("end-to-end", "stream-keeps-up", WAIT_SECONDS="30")
            failed_with(outcome, "deployment data/stream-source")

    def test_no_job(self, platform: Running) -> None:
        with platform.scaled("data", "statefulset/stream-job", 0):
            outcome = platform.check("stream", "events", WAIT_SECONDS="20")
            failed_with(outcome, "0 of 5 dead letters", "data/stream-job-0")


def test_airflow_without_its_scheduler(platform: Running) -> None:
    with platform.scaled("apps", "deployment/airflow-scheduler", 0):
        # After which its last heartbeat is too old.
        time.sleep(60)
        failed_with(platform.check("airflow", "heartbeats", **SOON), "scheduler=unhealthy", "Look at the pods")


def test_a_full_disk(platform: Running) -> None:
    with full(platform, "data", "postgresql", "data-postgresql-0", left=0):
        outcome = platform.check("postgresql", "write-read", ROWS="200000")
        failed_with(outcome, "could not be written", "No space left on device|the database system is", "VolumeFilling")


@contextmanager
def labelled(platform: Running, target: str, label: str, usual: str) -> Iterator[None]:
    """Have another label for a while."""
    platform.kubectl("label", target, label, "--overwrite")
    try:
        yield
    finally:
        platform.kubectl("label", target, usual, "--overwrite")
