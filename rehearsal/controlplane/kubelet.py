"""The one thing asked of kubelets that kwok cannot answer as they do: the log of a container that has ended.

kwok too serves logs from files, but follows a file for ever, since no runtime tells it that the container is gone; a
client that follows, as KubernetesPodOperator does, would wait until it gives up.
"""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NOT_RUN = "rehearsal: containers are not run on simulated nodes; this check was not performed"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = self.path.startswith("/containerLogs/")
        text = f"{NOT_RUN}\n" if found else "only logs are served on simulated nodes\n"
        body = text.encode()
        self.send_response(200 if found else 501)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Be quiet."""


class Kubelet:
    """The HTTPS port of all simulated kubelets of one cluster.

    :param certificate: PEM file; the API server does not verify it.
    :param key: PEM file.
    """

    def __init__(self, host: str, port: int, certificate: Path, key: Path) -> None:
        self._server = ThreadingHTTPServer((host, port), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        # The handshake is left to the thread of the connection, so that a slow client delays nobody else.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, name="kubelet", daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
