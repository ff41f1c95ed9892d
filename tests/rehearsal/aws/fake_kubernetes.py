"""A small stand-in for the Kubernetes side's admin API, with knobs for what a test wants to see."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeKubernetes:
    """Remembers what it was told, under ``objects`` by path; nodes and add-ons are ready unless said otherwise."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.unready: set[str] = set()
        self.issues = ["0 of 2 pods are available: no nodes"]
        self.broken = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.broken:
            return 503, {"error": "broken on purpose"}
        if method == "DELETE":
            gone = [each for each in self.objects if each == path or each.startswith(f"{path}/")]
            for each in gone:
                del self.objects[each]
            return (200, {}) if gone else (404, {"error": "absent"})
        if method == "PUT":
            self.objects[path] = body
        elif path not in self.objects:
            return 404, {"error": "absent"}
        return 200, self._state(path)

    def _state(self, path: str) -> dict[str, Any]:
        parts = path.strip("/").split("/")
        ready = parts[-1] not in self.unready
        if len(parts) == 2:
            return {"endpoint": "https://127.0.0.1:6443", "certificateAuthority": "Q0E="}
        if parts[2] == "addons":
            return {"ready": ready, "issues": [] if ready else self.issues}
        if parts[2] == "nodegroups":
            wanted = self.objects[path]
            zones = wanted["zones"]
            return {
                "nodes": [
                    {"name": f"node-{i}", "zone": zones[i % len(zones)], "instanceId": f"i-{i}", "ready": ready}
                    for i in range(wanted["desired"])
                ]
            }
        return {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = json.loads(self.rfile.read(length)) if length else {}
                status, answer = fake.answer(self.command, self.path, body)
                data = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_DELETE = _do

            def log_message(self, format: str, *args: Any) -> None:
                """Stay quiet."""

        return Handler
