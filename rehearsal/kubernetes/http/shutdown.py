"""Ending open streams when the server stops."""

from __future__ import annotations

from collections.abc import Callable


class Shutdown:
    """Hooks of the streams that are open; :attr:`begun` once the server stops."""

    def __init__(self) -> None:
        self.begun = False
        self._hooks: set[Callable[[], None]] = set()

    def on(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Call ``hook`` at shutdown; returns how to take that back."""
        self._hooks.add(hook)
        return lambda: self._hooks.discard(hook)

    def begin(self) -> None:
        """The server stops now."""
        self.begun = True
        for hook in list(self._hooks):
            hook()
