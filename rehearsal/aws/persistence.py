"""State that survives a restart: moto's backends, EKS and later work in one file.

moto has no persistence. Its backends are plain objects, though, and refer to each other (a stack to its VPC, an
Auto Scaling group to its instances), so all of them are pickled together. What cannot be pickled is made again:
locks empty, private keys from PEM. The registries that hold the backends are written as references to the ones
of the reading process.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import moto
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from moto.core.base_backend import AccountSpecificBackend, BackendDict

_LOG = logging.getLogger(__name__)
_FILE = "aws.state"
_FORMAT = 1
_QUIET_SECONDS = 2.0
# So many times as long as a save holds up requests there is none: they wait for a tenth of the time at most.
_PAUSE_FACTOR = 10
_LOCKS: dict[type, Callable[[], Any]] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
    threading.Condition: threading.Condition,
    threading.Event: threading.Event,
}

Key = tuple[str, str, str, str]


class StateError(RuntimeError):
    """The saved state cannot be read; the message says what to do."""


def dump(content: dict[str, Any]) -> bytes:
    """moto's backends and ``content`` as they are now."""
    backends = dict(_backends())
    try:
        return _pickled({"backends": backends, **content})
    except Exception:
        # One backend that cannot be pickled must not cost all others; which one it is takes a second look.
        return _pickled({"backends": {k: b for k, b in backends.items() if _pickles(k, b)}, **content})


def write(folder: Path, data: bytes) -> None:
    """Put a :func:`dump` into ``folder``; the file is replaced as a whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _FILE
    temporary = target.with_suffix(".new")
    # Secrets and keys are in it.
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        pickle.dump((_FORMAT, moto.__version__), file)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)


def load(folder: Path) -> dict[str, Any] | None:
    """Put the saved backends back into moto and return the rest; None when nothing was saved.

    :raises StateError: when the file is damaged or was written with another version of moto.
    """
    target = folder / _FILE
    if not target.exists():
        return None
    try:
        with target.open("rb") as file:
            written = pickle.load(file)  # noqa: S301 - our own file
            if written != (_FORMAT, moto.__version__):
                raise StateError(
                    f"{target} was written by format and moto {written}, this is {(_FORMAT, moto.__version__)}; "
                    "delete it to start empty"
                )
            content: dict[str, Any] = _Unpickler(file).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError) as error:
        raise StateError(f"{target} cannot be read ({error!r}); delete it to start empty") from error
    for (module, name, account, region), backend in content.pop("backends").items():
        dict.__setitem__(_registry(module, name)[account], region, backend)
    return content


class Saver:
    """Saves when something changed and calm has returned, and at the end.

    :param content: what to save beside moto's backends; called with ``lock`` held.
    """

    def __init__(self, folder: Path, lock: threading.RLock, content: Callable[[], dict[str, Any]]) -> None:
        self._folder = folder
        self._lock = lock
        self._content = content
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="saver", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def touch(self) -> None:
        """Something changed."""
        self._changed.set()

    def stop(self) -> None:
        """Save a last time and stop."""
        self._stopped.set()
        self._changed.set()
        self._thread.join()
        self.save()

    def save(self) -> float:
        """Save now; returns for how many seconds that held up requests. Writing does not: disks may be slow."""
        with self._lock:
            began = time.monotonic()
            self._changed.clear()
            data = dump(self._content())
            held = time.monotonic() - began
        write(self._folder, data)
        return held

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._changed.wait()
            if self._stopped.wait(_QUIET_SECONDS):
                return
            held = 0.0
            try:
                held = self.save()
            except (OSError, pickle.PicklingError):
                _LOG.exception("state could not be saved in %s", self._folder)
            # A large state is saved less often.
            self._stopped.wait(_PAUSE_FACTOR * held)


def _backends() -> Iterator[tuple[Key, Any]]:
    for registry in BackendDict._instances:
        for account, regions in registry.items():
            for region in list(regions.keys()):
                yield (registry.backend.__module__, registry.backend.__qualname__, account, region), regions[region]


def _pickles(key: Key, backend: Any) -> bool:
    try:
        _pickled(backend)
    except Exception as error:
        _LOG.warning("state of %s in %s is not saved: %s", key[0], key[3], error)
        return False
    return True


def _pickled(value: Any) -> bytes:
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        """Registries of backends are referred to, not copied."""
        if isinstance(value, BackendDict):
            return (value.backend.__module__, value.backend.__qualname__)
        if isinstance(value, AccountSpecificBackend):
            return (value.backend.__module__, value.backend.__qualname__, value.account_id)
        return None

    def reducer_override(self, value: Any) -> Any:
        """Locks and private keys are made again."""
        factory = _LOCKS.get(type(value))
        if factory is not None:
            return factory, ()
        if isinstance(value, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
            pem = value.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            return _private_key, (pem,)
        return NotImplemented


def _private_key(pem: bytes) -> Any:
    return serialization.load_pem_private_key(pem, None)


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, reference: Any) -> Any:
        """Find the registry a reference means."""
        registry = _registry(reference[0], reference[1])
        return registry[reference[2]] if len(reference) == 3 else registry


def _registry(module: str, name: str) -> Any:
    for value in vars(importlib.import_module(module)).values():
        if isinstance(value, BackendDict) and value.backend.__qualname__ == name:
            return value
    raise LookupError(f"moto has no backends {module}.{name}")
