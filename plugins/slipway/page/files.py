"""The page's files, from memory: read and compressed once, since they change with a new deployment only.

Airflow's own middleware would compress each of them for each reader, behind a thread that reads it from disk; a first
load asks for a dozen at a time.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

# Below this a response fits into one packet as it is.
WORTH_COMPRESSING = 1024
METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class _File:
    media_type: str
    body: bytes
    packed: bytes
    etag: str


class Files:
    """An ASGI app over the files of a folder; ``/`` is ``index.html``.

    Nothing is looked up by a path from outside: what is not in the folder when it is made does not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in folder.rglob("*") if path.is_file()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        if scope["type"] != "http" or scope["method"] not in METHODS:
            return Response(status_code=405, headers={"Allow": ", ".join(METHODS)})
        path = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        found = self._files.get(path or "index.html")
        if found is None:
            return Response("Not found", 404, media_type="text/plain")
        asked = Headers(scope=scope)
        headers = {"ETag": found.etag, "Vary": "Accept-Encoding"}
        if found.etag in asked.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if found.packed and "gzip" in asked.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(found.packed, headers=headers, media_type=found.media_type)
        return Response(found.body, headers=headers, media_type=found.media_type)


def _read(path: Path) -> _File:
    body = path.read_bytes()
    kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
    packed = gzip.compress(body, 9, mtime=0) if len(body) >= WORTH_COMPRESSING else b""
    return _File(kind or "text/plain", body, packed, f'W/"{hashlib.sha256(body).hexdigest()[:20]}"')
