"""Ctrl-C and kill as an orderly end: the first stops the work, one more while stopping ends the patience."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StoppedError(Exception):
    """Somebody asked the run to stop."""


class StopSignals:
    """While entered, the first signal raises `StoppedError` in the main thread; later ones are only noted."""

    def __init__(self) -> None:
        """Nothing is changed before it is entered."""
        self.again = False
        """Whether a signal came after `only_note` was called."""
        self._raise = True
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        """Take over the signals."""
        self._before = {number: signal.signal(number, self._handle) for number in HANDLED}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def only_note(self) -> None:
        """From now on a signal raises nothing: the stop itself must not be interrupted."""
        self._raise = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._raise:
            self._raise = False
            raise StoppedError(signal.Signals(number).name)
        self.again = True
