"""What clients asked of an API server, counted from its audit log.

``apiserver_request_total`` counts controllers, scheduler and simulated kubelets too, so it cannot say whether a plan
changed anything. The audit log names the caller of each request; the policy leaves the cluster's own callers out.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

# The user as whom controller manager, scheduler, kwok and this process itself come.
OWN_USER = "rehearsal-plane"
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "users": [OWN_USER, "system:apiserver", "system:anonymous"]},
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system", "system:nodes"]},
        {"level": "None", "nonResourceURLs": ["*"]},
        {"level": "Metadata"},
    ],
}
_READING = {"get", "list", "watch"}
# Kinds that answer a question and are not stored.
_QUESTIONS = {"authentication.k8s.io", "authorization.k8s.io"}
# A request is logged after it was answered: the log of the last one may be a moment late.
_SETTLE_SECONDS = 0.1


class Audit:
    """Counts the requests of one API server since this was made."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._offset = self._size()
        self._counts = {"mutating": Counter[str](), "reading": Counter[str]()}

    def counts(self) -> dict[str, dict[str, int]]:
        """Requests by ``<verb> <resource>``, those that may change something apart from reads and dry runs."""
        size = -1
        while size != self._size():
            size = self._size()
            time.sleep(_SETTLE_SECONDS)
        self._read()
        return {kind: dict(counter) for kind, counter in self._counts.items()}

    def _size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _read(self) -> None:
        if not self._log.exists():
            return
        with self._log.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._count(json.loads(line))

    def _count(self, event: dict[str, Any]) -> None:
        watches = event["verb"] == "watch"
        if event["stage"] != ("ResponseStarted" if watches else "ResponseComplete"):
            return
        if event.get("annotations", {}).get("authorization.k8s.io/decision") != "allow":
            return
        asked = event.get("objectRef", {})
        name = asked.get("resource", "")
        name += f".{asked['apiGroup']}" if asked.get("apiGroup") else ""
        name += f"/{asked['subresource']}" if asked.get("subresource") else ""
        dry = "All" in parse_qs(urlsplit(event["requestURI"]).query).get("dryRun", [])
        reads = event["verb"] in _READING or asked.get("apiGroup") in _QUESTIONS or dry
        self._counts["reading" if reads else "mutating"][f"{event['verb']} {name}"] += 1
