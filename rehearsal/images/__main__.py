"""``python -m rehearsal.images``: build the images, put them into containerd, say what there is.

build [NAME...]      build the layers that are not in the cache yet
import [NAME...]     build, then import into the containerd at CONTAINERD_ADDRESS what it does not have
archive NAME         write one image as an OCI layout to standard output (for ctr, skopeo, podman)
verify [NAME...]     run images as their manifests do and record the outcome in verified.yaml
list                 every image, how near it is, whether it is built
prune                delete layers that the table does not use any more
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from rehearsal.images import archive, verify
from rehearsal.images.containerd import Containerd, ContainerdError
from rehearsal.images.layers import Built, Layers
from rehearsal.images.sources import SourceError
from rehearsal.images.table import Image, Nearness, Table, TableError, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0, or 1 with a line per image that could not be had."""
    parser = argparse.ArgumentParser(prog="python -m rehearsal.images", epilog=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("verb", choices=["build", "import", "archive", "verify", "list", "prune"])
    parser.add_argument("names", nargs="*", help="images, with or without tag; all when none is named")
    given = parser.parse_args(arguments)
    table, layers = load(), Layers()
    try:
        images = [table.find(name) for name in given.names] or list(table.images)
        if given.verb == "list":
            return _list(table, layers)
        if given.verb == "prune":
            print(f"deleted {len(layers.prune(table))} layers")
            return 0
        if given.verb == "archive":
            for image in images[:1]:
                archive.write(image, _build(table, layers, image), sys.stdout.buffer)
            return 0
        return _each(given.verb, table, layers, images)
    except (TableError, SourceError, ContainerdError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _build(table: Table, layers: Layers, image: Image) -> list[Built]:
    return [layers.build(layer) for layer in table.layers_of(image)]


def _each(verb: str, table: Table, layers: Layers, images: Sequence[Image]) -> int:
    """Go on after a failure: one part that a registry has withdrawn must not cost all other images."""
    failed = 0
    containerd = Containerd()
    actions: dict[str, Callable[[Image, list[Built]], str]] = {
        "build": lambda _image, built: f"{len(built)} layers, {sum(layer.size for layer in built) >> 20} MiB",
        "import": lambda image, built: "imported" if containerd.ensure(image, built) else "is there",
        "verify": lambda image, built: verify.record(containerd, image, built),
    }
    for image in images:
        if image.nearness is Nearness.CANNOT:
            print(f"{image.name}: cannot be had. {image.note}")
            continue
        try:
            print(f"{image.name}: {actions[verb](image, _build(table, layers, image))}", flush=True)
        except (SourceError, ContainerdError, verify.VerifyError) as error:
            print(f"{image.name}: {error}", file=sys.stderr, flush=True)
            failed += 1
    return 1 if failed else 0


def _list(table: Table, layers: Layers) -> int:
    for image in table.images:
        missing = [layer.kind for layer in table.layers_of(image) if not layers.find(layer)]
        state = "-" if image.nearness is Nearness.CANNOT else f"to build: {', '.join(missing)}" if missing else "built"
        print(f"{image.name:75} {image.nearness.value:27} {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
