"""What happens later: jobs with a due time, kept as data so that a restart continues them.

A job is a name and its arguments. Its function is registered under that name at start-up, runs on the
scheduler's one thread, and may return a number of seconds after which to run again.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


@dataclass(order=True)
class Job:
    """One piece of later work.

    :param due: Unix time in seconds.
    """

    due: float
    sequence: int
    name: str = field(compare=False)
    arguments: tuple[str, ...] = field(compare=False, default=())


JobFunction = Callable[..., float | None]


class Scheduler:
    """Runs jobs when they are due, one at a time."""

    def __init__(self) -> None:
        self._functions: dict[str, JobFunction] = {}
        self._jobs: list[Job] = []
        self._sequence = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._running: Job | None = None
        self._thread: threading.Thread | None = None
        self._after_job: Callable[[str], None] = lambda name: None

    def watch(self, after_job: Callable[[str], None]) -> None:
        """Call ``after_job`` with a job's name whenever it has run."""
        self._after_job = after_job

    def register(self, name: str, function: JobFunction) -> None:
        """Say which function runs the jobs called ``name``."""
        self._functions[name] = function

    def after(self, seconds: float, name: str, *arguments: str) -> None:
        """Run job ``name`` after ``seconds`` (already compressed)."""
        if name not in self._functions:
            raise KeyError(f"no job is called {name!r}; registered are {sorted(self._functions)}")
        with self._changed:
            heapq.heappush(self._jobs, Job(time.time() + seconds, next(self._sequence), name, arguments))
            self._changed.notify()

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the job that runs now, if any."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def clear(self) -> None:
        """Forget all jobs."""
        with self._changed:
            self._jobs.clear()

    def snapshot(self) -> list[tuple[float, str, tuple[str, ...]]]:
        """The jobs as data."""
        with self._changed:
            jobs = [*self._jobs, *([self._running] if self._running else [])]
            return [(job.due, job.name, job.arguments) for job in jobs]

    def restore(self, jobs: list[tuple[float, str, tuple[str, ...]]]) -> None:
        """Continue with the jobs of a snapshot; what fell due meanwhile runs at once."""
        with self._changed:
            self._jobs = [Job(due, next(self._sequence), name, arguments) for due, name, arguments in jobs]
            heapq.heapify(self._jobs)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            job = self._next()
            if job is None:
                return
            again = self._attempt(job)
            with self._changed:
                self._running = None
                if again is not None:
                    job.due = time.time() + again
                    heapq.heappush(self._jobs, job)
            self._after_job(job.name)

    def _next(self) -> Job | None:
        with self._changed:
            while not self._stopped:
                wait = self._jobs[0].due - time.time() if self._jobs else None
                if wait is not None and wait <= 0:
                    self._running = heapq.heappop(self._jobs)
                    return self._running
                self._changed.wait(wait)
            return None

    def _attempt(self, job: Job) -> float | None:
        try:
            return self._functions[job.name](*job.arguments)
        except Exception:
            _LOG.exception("job %s%s failed; next try in %s s", job.name, job.arguments, _RETRY_SECONDS)
            return _RETRY_SECONDS
