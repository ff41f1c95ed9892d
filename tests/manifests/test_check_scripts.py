"""Check scripts against stand-ins: healthy they pass with numbers, broken they say what to look at."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.rendering import MANIFESTS

# Answers each query with the value of the first pattern that it contains, as promtool prints it; no value, no line.
PROMTOOL = """#!/bin/sh
query="$4"
while IFS='|' read -r pattern value; do
  case "$query" in *"$pattern"*) [ -z "$value" ] || echo "{} => $value @[1763800000.000]"; exit 0 ;; esac
done <"$ANSWERS"
"""
HEALTHY: dict[str, list[tuple[str, str]]] = {
    "log-shipper/logs-delivered": [
        ('up{job="kubelet"}', "3"),
        ("count(sum by (node)", "3"),
        ("retries_failed", "0"),
        ("proc_records_total", "1200"),
    ],
    "cluster-autoscaler/groups-found": [
        ('up{job="kubelet"}', "3"),
        ("nodes_count", "3"),
        ("node_groups_count", "2"),
        ("last_activity", "8.5"),
    ],
    "aws-load-balancer-controller/controller-ready": [
        ("sum(up{", "2"),
        ("leader_election", "1"),
        ("status_code", "0"),
        ("aws_api_calls_total", "40"),
    ],
    "blackbox-exporter/probes-answer": [
        ("probe_duration_seconds", "0.02"),
        ("} == 1)", "4"),
        ("count(probe_success", "4"),
    ],
}
# What breaks, and what a person has to be told.
BROKEN = [
    ("log-shipper/logs-delivered", {"count(sum by (node)": "2"}, "2 of 3 nodes deliver"),
    ("log-shipper/logs-delivered", {"retries_failed": "7"}, "7 records or chunks were given up"),
    ("log-shipper/logs-delivered", {"count(sum by (node)": "", "retries_failed": ""}, "0 of 3 nodes deliver"),
    ("cluster-autoscaler/groups-found", {"node_groups_count": ""}, "no node groups"),
    ("cluster-autoscaler/groups-found", {"last_activity": "400"}, "its loop ran 400"),
    ("aws-load-balancer-controller/controller-ready", {"leader_election": "0"}, "0 lead"),
    ("aws-load-balancer-controller/controller-ready", {"status_code": "5"}, "5 refused"),
    ("blackbox-exporter/probes-answer", {"} == 1)": "3"}, "3 of 4 web interfaces"),
    ("blackbox-exporter/probes-answer", {"} == 1)": "", "count(probe_success": ""}, "0 of no web interfaces"),
]


def run(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a check script with its scratch files in a folder."""
    component, _, check = name.partition("/")
    script = folder / f"{check}.sh"
    source = MANIFESTS / "base-services" / component / "checks" / f"{check}.sh"
    script.write_text(source.read_text().replace("/tmp/", f"{folder}/"))
    return subprocess.run(
        [shutil.which("dash") or "sh", str(script)],
        env={"PATH": f"{folder}:{os.environ['PATH']}", "WAIT_SECONDS": "0", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def asked(name: str, folder: Path, broken: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a check that asks Prometheus, some of whose answers are not what they should be."""
    (folder / "promtool").write_text(PROMTOOL)
    (folder / "promtool").chmod(0o755)
    answers = [(pattern, broken.get(pattern, value)) for pattern, value in HEALTHY[name]]
    (folder / "answers").write_text("".join(f"{pattern}|{value}\n" for pattern, value in answers))
    return run(name, folder, ANSWERS=str(folder / "answers"))


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_service_passes_with_numbers(name: str, tmp_path: Path) -> None:
    process = asked(name, tmp_path, {})
    assert process.returncode == 0, process.stderr
    proof = json.loads(process.stdout.splitlines()[-1])
    assert proof.pop("check") == name.partition("/")[2]
    assert proof
    assert all(isinstance(value, int | float) for value in proof.values())


@pytest.mark.parametrize(
    ("name", "broken", "said"), BROKEN, ids=lambda value: None if isinstance(value, dict) else value
)
def test_a_broken_one_fails_and_says_what_was_found(
    name: str, broken: dict[str, str], said: str, tmp_path: Path
) -> None:
    process = asked(name, tmp_path, broken)
    assert process.returncode == 1
    assert said in re.sub(r"\s+", " ", process.stderr)
    assert "Look" in process.stderr or "look" in process.stderr or "log" in process.stderr


class Jaeger(ThreadingHTTPServer):
    """Takes spans and gives them back, unless it is broken."""

    broken = ""
    spans: dict[str, str] = {}


class Requests(BaseHTTPRequestHandler):
    """OTLP over HTTP, and Jaeger's way to ask for a trace."""

    server: Jaeger

    def do_POST(self) -> None:
        """Take a span."""
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        span = body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
        if self.server.broken != "loses":
            self.server.spans[span["traceId"]] = span["spanId"]
        self._answer(503 if self.server.broken == "refuses" else 200, "{}")

    def do_GET(self) -> None:
        """Give a trace."""
        span = self.server.spans.get(self.path.rpartition("/")[2])
        self._answer(200 if span else 404, json.dumps({"data": [{"spans": [{"spanID": span}]}]}))

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def jaeger() -> Iterator[Jaeger]:
    server = Jaeger(("127.0.0.1", 0), Requests)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(timeout=10)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("name", ["jaeger/trace-found", "otel-collector/trace-arrives"])
@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [("", 0, ""), ("refuses", 1, "got HTTP 503, wanted 200"), ("loses", 1, "was accepted but")],
)
def test_a_span_is_sent_and_found(name: str, broken: str, code: int, said: str, jaeger: Jaeger, tmp_path: Path) -> None:
    jaeger.broken = broken
    address = f"http://127.0.0.1:{jaeger.server_port}"
    process = run(name, tmp_path, OTLP_URL=address, JAEGER_URL=address)
    assert process.returncode == code, process.stderr
    if code:
        assert said in process.stderr
    else:
        assert json.loads(process.stdout.splitlines()[-1])["check"] == name.partition("/")[2]
