"""Pods at a glance: of thirty thousand nearly all are well, and of those nothing else need be read.

A page is cut into pods without decoding them, each pod's status is decoded into a few fields, and only one that may
need somebody is decoded whole.
"""

from __future__ import annotations

import msgspec

from slipway.hooks.listing import Pod


class _Waiting(msgspec.Struct, frozen=True, gc=False):
    reason: str = ""


class _State(msgspec.Struct, frozen=True, gc=False):
    waiting: _Waiting | None = None


class _ContainerGlance(msgspec.Struct, frozen=True, gc=False):
    state: _State = _State()


class _StatusGlance(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    phase: str = "Pending"
    container_statuses: list[_ContainerGlance] = []
    init_container_statuses: list[_ContainerGlance] = []


class PodGlance(msgspec.Struct, frozen=True, gc=False):
    """As much of a pod as tells that nothing is the matter with it, which goes for nearly all."""

    status: _StatusGlance = _StatusGlance()

    @property
    def fine(self) -> bool:
        """Whether the rest of the pod need not be read."""
        if self.status.phase == "Succeeded":
            return True
        return self.status.phase == "Running" and not any(
            one.state.waiting is not None
            for one in (*self.status.container_statuses, *self.status.init_container_statuses)
        )


glance = msgspec.json.Decoder(PodGlance, strict=False).decode
whole = msgspec.json.Decoder(Pod, strict=False).decode
