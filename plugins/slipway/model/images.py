"""Images by digest: what an environment says of them, and the list of digests that were found."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class Images(BaseModel):
    """How an environment's pods name their images.

    :param pinned: by tag and digest, where ``include/manifests/images.yaml`` has one. Off, a tag that upstream rebuilt
        brings its fixes with the next pod; on, nothing changes that Git does not say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pinned: bool = False


class Pin(BaseModel):
    """A digest and where it is known from.

    :param seen: public files that pin this tag to this digest, or 0 when a registry itself said so.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    digest: Digest
    found: date
    seen: Annotated[int, Field(ge=0)] = 0


class Pins(BaseModel):
    """Contents of ``images.yaml``: pins by reference with tag, and why the others have none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pins: dict[str, Pin]
    unpinned: dict[str, str] = {}
