"""Kills a task's process, with SIGKILL, at a chosen mutating call: before it is sent, or when its reply is there.

The process kills itself, inside the client library: that is exact to the call, and for the cloud, for Airflow and for
the code of the task there is no difference to a kill from outside at that very moment. Nothing of the product is
replaced: what is watched are botocore, aiohttp and urllib3 beneath it.

Calls are told apart by a label, such as ``infrastructure.cluster: eks.CreateCluster slipway-dev``, which is the same
in every run. Each label is killed once in each way, and the run goes on to the next one: a whole run so passes over
every call there is.
"""

from __future__ import annotations

import json
import os
import re
import signal
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rehearsal.aws.statistics import is_mutating

# What differs from run to run: ids that AWS gives, digests, times, random ends of names.
_RANDOM = re.compile(
    r"""[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}
    |(?<=-)[0-9a-f]{17}\b
    |\d{4}-\d{2}-\d{2}[T_-]?[\d:.+Z-]*
    |\d{8}T\d{6}\w*
    |[0-9a-f]{8,64}""",
    re.VERBOSE,
)
# Pods of checks end in eight random characters.
_POD_SUFFIX = re.compile(r"(?<=/pods/)(?P<name>.*)-[a-z0-9]{8}$")
_RELEASE_STATE = re.compile(rb'release\.json".{0,4000}?\\"state\\": ?\\"(\w+)', re.DOTALL)
_TELLING = ("name", "id", "arn", "key", "principalarn")
_NOT_TELLING = ("clientrequesttoken", "token", "content", "body")
_KUBERNETES_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_REVIEWS = re.compile(r"/(authorization|authentication)\.k8s\.io/")


class Way(StrEnum):
    """When the process dies."""

    BEFORE = "before"
    AFTER = "after"


def plain(text: str) -> str:
    """A name without what differs from run to run."""
    return _RANDOM.sub("*", text)


@dataclass
class Knife:
    """What is to be killed, and what was. Shared with task processes through fork, one way, and a file, the other.

    :param journal: file that task processes write their calls to.
    :param every: kill one label of so many; 0 kills none and only writes down.
    """

    journal: Path
    every: int = 1
    ways: tuple[Way, ...] = (Way.BEFORE, Way.AFTER)
    calls: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[str, Way]] = field(default_factory=list)
    _done: set[tuple[str, Way]] = field(default_factory=set)
    _read: int = 0
    _task: str = ""
    _seen: Counter[str] = field(default_factory=Counter)

    def plan(self, label: str) -> Way | None:
        """How this call is killed now."""
        if not self.every or zlib.crc32(label.encode()) % self.every:
            return None
        return next((way for way in self.ways if (label, way) not in self._done), None)

    def left_out(self, labels: Counter[str]) -> list[str]:
        """Those of these calls that were to be killed and were not."""
        return sorted(
            f"{label} ({way})"
            for label in labels
            for way in self.ways
            if not zlib.crc32(label.encode()) % max(1, self.every) and (label, way) not in self._done
        )

    def collect(self) -> None:
        """Read what the last task process wrote."""
        if not self.journal.exists():
            return
        with self.journal.open() as file:
            file.seek(self._read)
            for line in file:
                entry = json.loads(line)
                if entry["event"] == "call":
                    self.calls[entry["label"]] += 1
                else:
                    kill = (entry["label"], Way(entry["event"]))
                    self.kills.append(kill)
                    self._done.add(kill)
            self._read = file.tell()

    # Below runs in the process of a task.

    def install(self, task: str) -> None:
        """Watch all calls of this process from now on."""
        self._task = task
        self._seen = Counter()
        _watch_aws(self)
        _watch_kubernetes(self)

    def call(self, name: str) -> Callable[[], None]:
        """Note a mutating call that is about to be sent, or die; what is returned is for when its reply is there."""
        self._seen[name] += 1
        number = f" #{self._seen[name]}" if self._seen[name] > 1 else ""
        label = f"{self._task}: {name}{number}"
        way = self.plan(label)
        if way is Way.BEFORE:
            self._die(label, way)
        self._write("call", label)
        return (lambda: self._die(label, Way.AFTER)) if way is Way.AFTER else (lambda: None)

    def _die(self, label: str, way: Way) -> None:
        self._write(way.value, label)
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    def _write(self, event: str, label: str) -> None:
        # One write of a whole line: threads and a kill leave no half of one.
        line = json.dumps({"event": event, "label": label}) + "\n"
        descriptor = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def _watch_aws(knife: Knife) -> None:
    from botocore.client import BaseClient

    original = BaseClient._make_api_call

    def watched(self: Any, operation: str, params: dict[str, Any]) -> Any:
        service = self.meta.service_model.service_name
        if not is_mutating(service, operation):
            return original(self, operation, params)
        landed = knife.call(f"{service}.{operation} {_subject(params)}".rstrip())
        try:
            return original(self, operation, params)
        finally:
            landed()

    BaseClient._make_api_call = watched


def _subject(params: dict[str, Any]) -> str:
    """What a call is about, from those of its parameters that name something."""
    named = {}
    for key, value in params.items():
        low = key.lower()
        if not isinstance(value, str) or low in _NOT_TELLING or not low.endswith(_TELLING):
            continue
        named[key] = plain(value.rpartition("/")[2] if low.endswith("arn") else value)
    return " ".join(named[key] for key in sorted(named))[:160]


def _watch_kubernetes(knife: Knife) -> None:
    import aiohttp
    from urllib3.connectionpool import HTTPSConnectionPool

    request, urlopen = aiohttp.ClientSession._request, HTTPSConnectionPool.urlopen

    async def asynchronous(self: Any, method: str, url: Any, **arguments: Any) -> Any:
        params = arguments.get("params") or {}
        name = _write_of(method, str(url), params, arguments.get("data") or b"")
        if name is None:
            return await request(self, method, url, **arguments)
        landed = knife.call(name)
        try:
            return await request(self, method, url, **arguments)
        finally:
            landed()

    def synchronous(self: Any, method: str, url: str, body: Any = None, *args: Any, **arguments: Any) -> Any:
        name = _write_of(method, url, {}, body or b"")
        if name is None:
            return urlopen(self, method, url, body, *args, **arguments)
        landed = knife.call(name)
        try:
            return urlopen(self, method, url, body, *args, **arguments)
        finally:
            landed()

    aiohttp.ClientSession._request = asynchronous  # type: ignore[method-assign]
    HTTPSConnectionPool.urlopen = synchronous  # type: ignore[method-assign]


def _write_of(method: str, url: str, params: Any, body: Any) -> str | None:
    """Label of a write to a Kubernetes API; none for anything else."""
    parts = urlsplit(url)
    writes = method in _KUBERNETES_WRITES and parts.path.startswith(("/api/", "/apis/"))
    if not writes or "dryRun=All" in parts.query or dict(params).get("dryRun") == "All" or _REVIEWS.search(parts.path):
        return None
    path = parts.path
    if method == "POST":
        try:
            metadata = json.loads(body).get("metadata") or {}
        except ValueError:
            metadata = {}
        path += f"/{metadata.get('name') or metadata.get('generateName', '')}"
    path = _POD_SUFFIX.sub(lambda found: f"{found['name']}-*", path)
    # A release's record is written again for each state that it comes to, in one try or another.
    release = _RELEASE_STATE.search(body if isinstance(body, bytes) else str(body).encode())
    return f"{method} {plain(path)}{f' {release[1].decode()}' if release else ''}"
