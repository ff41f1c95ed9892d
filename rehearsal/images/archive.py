"""Layers and settings as an OCI image layout, in one tar that `ctr images import` and `skopeo` read."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from typing import IO, Any

from rehearsal.images.layers import Built
from rehearsal.images.table import Image

_OCI = "application/vnd.oci.image"
_EPOCH = "1970-01-01T00:00:00Z"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(image: Image) -> dict[str, str]:
    """The image's environment variables."""
    return {"PATH": _PATH, **image.env}


def manifest(image: Image, layers: Sequence[Built]) -> tuple[bytes, bytes]:
    """The image's manifest and configuration, as the bytes whose digests name them."""
    settings: dict[str, Any] = {
        "User": image.user,
        "Env": [f"{name}={value}" for name, value in environment(image).items()],
        "Entrypoint": list(image.entrypoint),
        "Cmd": list(image.cmd),
        "WorkingDir": image.workdir,
        "StopSignal": image.stop_signal,
        "Labels": {"slipway.dev/nearness": image.nearness.value, "slipway.dev/note": image.note},
    }
    config = {
        "created": _EPOCH,
        "architecture": "amd64",
        "os": "linux",
        "config": {name: value for name, value in settings.items() if value},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.digest}" for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": "slipway"} for _ in layers],
    }
    config_bytes = _json(config)
    described = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _descriptor(f"{_OCI}.config.v1+json", config_bytes),
        "layers": [
            # Not compressed: the archive only goes from one folder of this machine to another.
            {"mediaType": f"{_OCI}.layer.v1.tar", "digest": f"sha256:{layer.digest}", "size": layer.size}
            for layer in layers
        ],
    }
    return _json(described), config_bytes


def digest(image: Image, layers: Sequence[Built]) -> str:
    """Digest that containerd shows for the image."""
    return f"sha256:{hashlib.sha256(manifest(image, layers)[0]).hexdigest()}"


def write(image: Image, layers: Sequence[Built], stream: IO[bytes]) -> None:
    """Write the image to a stream that need not be a file."""
    manifest_bytes, config_bytes = manifest(image, layers)
    entry = {
        **_descriptor(f"{_OCI}.manifest.v1+json", manifest_bytes),
        "annotations": {
            "io.containerd.image.name": image.reference,
            "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
        },
        "platform": {"architecture": "amd64", "os": "linux"},
    }
    index = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [entry]}
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(archive, "index.json", _json(index))
        for blob in (config_bytes, manifest_bytes):
            _add(archive, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        for layer in {layer.digest: layer for layer in layers}.values():
            header = tarfile.TarInfo(f"blobs/sha256/{layer.digest}")
            header.size = layer.size
            with layer.path.open("rb") as content:
                archive.addfile(header, content)


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _add(archive: tarfile.TarFile, name: str, blob: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(blob)
    archive.addfile(header, io.BytesIO(blob))
