"""What is killed, and that it dies: the harness of ``make kill`` in small."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rehearsal.kill.knife import Knife, Way, _subject, _write_of, plain


def in_process(action: Callable[[], object]) -> int:
    """Run something in a process of its own; the signal that ended it, or 0."""
    pid = os.fork()
    if pid == 0:
        action()
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def task(knife: Knife, calls: list[str], sent: Path) -> None:
    """A task that makes its calls one after the other; ``sent`` is what reached the cloud."""
    knife._task, knife._seen = "task", Counter()
    for name in calls:
        landed = knife.call(name)
        with sent.open("a") as file:
            file.write(f"{name}\n")
        landed()


def test_each_call_is_killed_once_before_and_once_after_it_landed(tmp_path: Path) -> None:
    knife, sent = Knife(tmp_path / "journal"), tmp_path / "sent"
    ends, landed = [], []
    for _ in range(5):
        sent.write_text("")
        ends.append(in_process(lambda: task(knife, ["a", "b"], sent)))
        landed.append(sent.read_text().split())
        knife.collect()
    assert ends == [signal.SIGKILL] * 4 + [0]
    assert landed == [[], ["a"], ["a"], ["a", "b"], ["a", "b"]]
    assert knife.kills == [
        ("task: a", Way.BEFORE), ("task: a", Way.AFTER), ("task: b", Way.BEFORE), ("task: b", Way.AFTER),
    ]  # fmt: skip
    assert knife.left_out(Counter({"task: a": 1, "task: b": 1})) == []
    assert knife.left_out(Counter({"task: c": 1})) == ["task: c (after)", "task: c (before)"]


def test_a_life_that_is_left_alone_is_only_written_down(tmp_path: Path) -> None:
    knife = Knife(tmp_path / "journal", every=0)
    assert in_process(lambda: task(knife, ["a", "a"], tmp_path / "sent")) == 0
    knife.collect()
    assert knife.calls == Counter({"task: a": 1, "task: a #2": 1})
    assert knife.kills == []


def test_a_sample_is_a_part_and_always_the_same(tmp_path: Path) -> None:
    labels = [f"task: {number}" for number in range(600)]
    chosen = [label for label in labels if Knife(tmp_path / "journal", every=6).plan(label)]
    assert 50 < len(chosen) < 150
    assert chosen == [label for label in labels if Knife(tmp_path / "journal", every=6).plan(label)]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("slipway-0f1e2d3c4b5a69788796a5b4", "slipway-*"),
        ("node group vpc-0123456789abcdef0", "node group vpc-*"),
        ("kafka-0", "kafka-0"),
        ("manual__2026-11-22T21:10:00.123456+00:00", "manual__*"),
    ],
)
def test_names_lose_what_differs_from_run_to_run(text: str, same: str) -> None:
    assert plain(text) == same


def test_calls_to_aws_are_told_apart_by_what_they_name() -> None:
    one = _subject({"clusterName": "slipway-dev", "addonName": "vpc-cni", "clientRequestToken": "x", "tags": {}})
    assert one == "vpc-cni slipway-dev"
    assert _subject({"principalArn": "arn:aws:iam::1:role/ops", "policyArn": "a/b/View"}) == "View ops"


def test_writes_to_kubernetes_are_told_from_reads_dry_runs_and_reviews() -> None:
    path = "https://h/api/v1/namespaces/a/configmaps/b"
    assert _write_of("PATCH", path, {"fieldManager": "slipway"}, b"{}") == "PATCH /api/v1/namespaces/a/configmaps/b"
    assert _write_of("GET", path, {}, b"") is None
    assert _write_of("PATCH", path, {"dryRun": "All"}, b"{}") is None
    assert _write_of("POST", "https://h/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", {}, b"{}") is None
    pod = json.dumps({"metadata": {"name": "check-kafka-round-trip-ab12cd34"}})
    made = _write_of("POST", "https://h/api/v1/namespaces/a/pods", {}, pod.encode())
    assert made == "POST /api/v1/namespaces/a/pods/check-kafka-round-trip-*"
    record = json.dumps({"data": {"release.json": json.dumps({"objects": ["x"], "state": "applied"})}})
    assert str(_write_of("PATCH", path, {}, record.encode())).endswith("/b applied")
