"""The table of images, ``images.yaml``, as types."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

TABLE = Path(__file__).with_name("images.yaml")


class TableError(ValueError):
    """The table does not hold what was asked for; the message names what it does hold."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nearness(StrEnum):
    """How near an image is to the upstream one of the same name."""

    SAME_BINARY = "same binary"
    SAME_VERSION = "same version"
    OWN_LAUNCHER = "same version, own launcher"
    OTHER_VERSION = "other version"
    STAND_IN = "stand-in"
    CANNOT = "cannot be had"


class GoModule(_Strict):
    """A module of the Go module proxy, held to its sum as ``go.sum`` would."""

    module: str
    version: str
    sum: str


class Go(GoModule):
    """Programs of a module, built in the module's own folder: with the dependencies that upstream locked."""

    programs: dict[str, str]
    """Package -> path in the image."""
    tags: tuple[str, ...] = ()
    variables: dict[str, str] = {}
    """String variables set at link time, for programs that say their version."""
    supply: dict[str, str] = {}
    """Path in the module -> file beside the table, for what upstream's build makes first (a web interface)."""


class OwnGo(_Strict):
    """Programs of a Go module in this repository, whose ``go.sum`` locks what it takes from the proxy."""

    folder: str
    """Relative to ``rehearsal/``."""
    programs: dict[str, str]
    variables: dict[str, str] = {}


class CSource(GoModule):
    """A C file that comes in a Go module, compiled statically."""

    file: str
    path: str
    macros: dict[str, str] = {}


class Debian(_Strict):
    """A root file system of Debian packages, made by mmdebstrap."""

    suite: str
    packages: tuple[str, ...]
    variant: Literal["essential", "extract"] = "essential"
    """Debian's essential packages as well, or nothing but the files of those named."""
    expect: dict[str, str] = {}
    """Package -> what its version must begin with: suites move on, and a moved major version is another program."""
    users: dict[str, str] = {}
    """Name -> uid:gid:home, for programs that look their own user up."""
    run: tuple[str, ...] = ()
    """Shell commands run at the end, with the root folder as ``$1``."""


class Maven(_Strict):
    """Jars that a ``pom.xml`` names, and what they need, each held to its SHA-256."""

    folder: str
    """Folder beside the table with ``pom.xml`` and ``jars.sha256``."""
    into: str
    repository: bool = False
    """Each jar at its path in Maven Central, as a mirror has it, rather than all in one folder."""


class Python(_Strict):
    """Python packages by ``requirements.txt`` with hashes."""

    requirements: str
    into: str
    python: str = "3.11"


class Sdist(_Strict):
    """Folders of a Python source distribution, for what ships more than Python in one."""

    package: str
    """name==version"""
    sha256: str
    take: dict[str, str]
    """Folder in the distribution -> folder in the image."""


class Npm(_Strict):
    """Node packages by ``package-lock.json``, which has their hashes."""

    folder: str
    into: str


class Files(_Strict):
    """Files of this repository, folders with their owners, and symbolic links."""

    copy_: dict[str, str] = Field(default={}, alias="copy")
    """Path in the image -> file or folder beside the table."""
    folders: dict[str, str] = {}
    """Path in the image -> uid:gid:mode."""
    links: dict[str, str] = {}
    """Path in the image -> target."""


class Layer(_Strict):
    """One layer: exactly one way to build it."""

    use: str | None = None
    """Name of a shared layer."""
    go: Go | None = None
    own_go: OwnGo | None = None
    c: CSource | None = None
    debian: Debian | None = None
    maven: Maven | None = None
    python: Python | None = None
    sdist: Sdist | None = None
    npm: Npm | None = None
    files: Files | None = None

    @model_validator(mode="after")
    def _one(self) -> Layer:
        if len(self.model_fields_set) != 1:
            raise ValueError(f"a layer is built in one way, not {sorted(self.model_fields_set)}")
        return self

    @property
    def kind(self) -> str:
        """Name of the way it is built."""
        return next(iter(self.model_fields_set))


class Probe(_Strict):
    """How `verify` runs an image: like the manifest does, as far as one container alone can."""

    user: str
    """uid:gid of the manifest."""
    args: tuple[str, ...] = ()
    """Behind the entry point; with `command`, instead of it."""
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    writable: tuple[str, ...] = ("/tmp",)  # noqa: S108 - a path in the container
    read_only: bool = True
    files: dict[str, str] = {}
    """Path in the container -> text mounted there, as a ConfigMap would be; ``@name`` is a file beside the table."""
    http: str | None = None
    """Address that must answer 2xx, as the container sees it."""
    tcp: int | None = None
    """Port on which something must listen."""
    exec_: tuple[str, ...] = Field(default=(), alias="exec")
    """Command that must end with 0 in the running container, once `http` or `tcp` hold."""
    ends: bool = False
    """The container ends by itself, with 0."""
    prints: str = ""
    """Text that the container, or `exec`, must print."""
    seconds: float = 60.0


def _as_nearness(value: Any) -> Any:
    return Nearness(value) if isinstance(value, str) else value


class Image(_Strict):
    """One image: its name as in the manifests, its parts, and what is to be said of it."""

    name: str
    nearness: Annotated[Nearness, BeforeValidator(_as_nearness)]
    note: str
    """What differs from upstream's image, and what follows from that."""
    layers: tuple[Layer, ...] = ()
    user: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: dict[str, str] = {}
    workdir: str = ""
    stop_signal: str = ""
    group: str = "platform"
    probe: Probe | None = None

    @model_validator(mode="after")
    def _had_or_not(self) -> Image:
        if (self.nearness is Nearness.CANNOT) == bool(self.layers):
            raise ValueError(f"{self.name}: an image that cannot be had has no layers, any other has some")
        return self

    @property
    def reference(self) -> str:
        """The name as containerd keeps it: with registry, and ``library`` for Docker Hub's own."""
        first, slash, _ = self.name.partition("/")
        if not slash:
            return f"docker.io/library/{self.name}"
        if "." in first or ":" in first:
            return self.name
        return f"docker.io/{self.name}"


class Table(_Strict):
    """All images, and the layers that several of them share."""

    layers: dict[str, Layer]
    images: tuple[Image, ...]

    def find(self, name: str) -> Image:
        """The image of a name, with or without its tag.

        :raises TableError: none, or several, have that name.
        """
        found = [image for image in self.images if name in (image.name, image.name.rpartition(":")[0], image.reference)]
        if len(found) != 1:
            held = ", ".join(image.name for image in self.images)
            raise TableError(f"{name!r} names {len(found)} images of {TABLE.name}, not one; it holds: {held}")
        return found[0]

    def layers_of(self, image: Image) -> list[Layer]:
        """The image's layers, shared ones looked up."""
        return [self.layers[layer.use] if layer.use else layer for layer in image.layers]


def load(path: Path = TABLE) -> Table:
    """Read the table.

    :raises pydantic.ValidationError: an entry is not as it must be; the message names it.
    """
    return Table.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
