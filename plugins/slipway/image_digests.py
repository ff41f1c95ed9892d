"""Digests of the platform's images: ask the registries, compare with ``include/manifests/images.yaml``, write it.

``python -m slipway.image_digests`` compares; ``--write`` takes what registries say for images without a digest, and
marks confirmed ones as confirmed; ``--move`` also takes the new digest of a tag that upstream built anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path

from slipway.catalog.components import load_components
from slipway.catalog.images import all_images, split_image
from slipway.catalog.paths import manifests_dir
from slipway.catalog.pins import FILE_NAME, load_pins
from slipway.decisions.image_pins import PinState, Verdict, judge_pin, summary
from slipway.hooks.registry import RegistryHook
from slipway.model.images import Pin, Pins

CONCURRENCY = 8
BECAUSE = "no digest known yet; `python -m slipway.image_digests --write` asks its registry"


def tagged_images() -> list[str]:
    """Every image of every component by name and tag, sorted."""
    found = {split_image(image)[:2] for component in load_components().values() for image in all_images(component)}
    return sorted(f"{name}:{tag}" for name, tag in found)


def ask(images: Sequence[str], pins: Pins, hook: RegistryHook) -> list[Verdict]:
    """Ask the registries for all images at once, and judge each."""

    def one(image: str) -> Verdict:
        pinned = pins.pins[image].digest if image in pins.pins else ""
        tag = hook.digest_of(image)
        same = pinned and tag.digest == pinned
        held = tag if same or not pinned else hook.digest_of(f"{split_image(image)[0]}@{pinned}")
        return judge_pin(image, pinned, asdict(tag), asdict(held))

    with ThreadPoolExecutor(max_workers=CONCURRENCY) as pool:
        return list(pool.map(one, images))


def updated(pins: Pins, verdicts: Iterable[Verdict], today: date, *, move: bool) -> Pins:
    """The list as registries confirm it; what they did not answer for stays."""
    kept, unpinned = dict(pins.pins), dict(pins.unpinned)
    for verdict in verdicts:
        if verdict.state in {PinState.CURRENT, PinState.UNPINNED} or (move and verdict.state is PinState.MOVED):
            known = kept.get(verdict.image)
            if known is None or known.digest != verdict.digest or known.seen:
                kept[verdict.image] = Pin(digest=verdict.digest, found=today)
            unpinned.pop(verdict.image, None)
    return Pins(pins=kept, unpinned=unpinned)


def text_of(pins: Pins, before: str) -> str:
    """The file's text: its own comments from before, and the list."""
    head = before[: before.index("pins:\n")]
    lines = ["pins:"]
    for image, pin in sorted(pins.pins.items()):
        seen = f", seen: {pin.seen}" if pin.seen else ""
        lines += [f'  "{image}":', f'    {{digest: "{pin.digest}", found: {pin.found}{seen}}}']
    if pins.unpinned:
        lines += ["unpinned:", *(f'  "{image}": {reason}' for image, reason in sorted(pins.unpinned.items()))]
    return head + "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None, hook: RegistryHook | None = None, root: Path | None = None) -> int:
    """Compare, or write. Returns 1 when a pinned image is gone, 2 when no registry could be asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what registries say into images.yaml")
    parser.add_argument("--move", action="store_true", help="with --write: follow tags that were built anew")
    options = parser.parse_args(arguments)
    pins = load_pins(root)
    verdicts = ask(tagged_images(), pins, hook or RegistryHook())
    for verdict in verdicts:
        sys.stdout.write(f"{verdict.state.value:9} {verdict.image} {verdict.note}\n")
    counts = summary(verdicts)
    sys.stdout.write(json.dumps(counts) + "\n")
    if options.write:
        file = (root or manifests_dir()) / FILE_NAME
        written = updated(pins, verdicts, datetime.now(UTC).date(), move=options.move)
        file.write_text(text_of(written, file.read_text()))
    if counts["unknown"] == len(verdicts):
        return 2
    return 1 if counts["gone"] else 0


if __name__ == "__main__":
    sys.exit(main())
