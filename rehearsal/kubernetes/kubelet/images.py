"""How long pulls take, and which images the rehearsal refuses to have."""

from __future__ import annotations

import hashlib
import re

_SHORTEST, _SPREAD = 5, 36
_ABSENT_TAG = "does-not-exist"
_REFERENCE = re.compile(
    r"^(?:(?P<host>[a-zA-Z0-9.-]+(?::\d+)?)/)?(?P<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>[\w][\w.-]{0,127}))?"
    r"(?:@sha256:[a-f0-9]{64})?$"
)


def pull_seconds(image: str) -> int:
    """Simulated seconds to pull an image: 5 to 40, always the same for the same image."""
    return _SHORTEST + int(hashlib.sha256(image.encode()).hexdigest(), 16) % _SPREAD


def pull_error(image: str) -> tuple[str, str] | None:
    """Reason and message when an image cannot be had."""
    if _REFERENCE.match(image) is None:
        return (
            "InvalidImageName",
            f'Failed to apply default image tag "{image}": couldn\'t parse image name: invalid reference format',
        )
    if image.endswith(f":{_ABSENT_TAG}"):
        return "ErrImagePull", f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": not found'
    host = image.split("/")[0] if "/" in image else ""
    if host.endswith(".invalid"):
        return (
            "ErrImagePull",
            f'rpc error: code = Unknown desc = failed to pull image "{image}": dial tcp: lookup {host}: no such host',
        )
    return None


def size_bytes(image: str) -> int:
    """A plausible size for events, in proportion to the pull time."""
    return pull_seconds(image) * 9_000_000
