"""One run per run folder: a lock that the system gives back by itself when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from rehearsal.run.settings import RunError, Settings


@contextmanager
def exclusive(settings: Settings) -> Iterator[None]:
    """Hold the run folder. Raises `RunError` naming the run that holds it."""
    settings.run_dir.mkdir(parents=True, exist_ok=True)
    path = settings.run_dir / "lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(describe_holder(path.read_text(), str(settings.run_dir))) from error
        file.truncate(0)
        json.dump({"pid": os.getpid(), "url": settings.airflow_url}, file)
        file.flush()
        yield


def describe_holder(text: str, run_dir: str) -> str:
    """Who holds the folder, from the text that the holder wrote into the lock file."""
    try:
        holder = json.loads(text)
        who = f"process {holder['pid']}, {holder['url']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return (
        f"A run is up already in {run_dir} ({who}). Use that one, or stop it with Ctrl-C in its terminal. "
        "For a second one beside it set SLIPWAY_RUN_DIR and other ports."
    )
