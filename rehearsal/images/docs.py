"""Writes ``docs/images.md`` from the table and from what was verified."""

from __future__ import annotations

import sys
from pathlib import Path

from rehearsal.images import archive
from rehearsal.images.layers import Layers
from rehearsal.images.table import Image, Nearness, Table, load
from rehearsal.images.verify import recorded

PAGE = Path(__file__).parents[2] / "docs" / "images.md"
BEGIN, END = "<!-- images: begin -->", "<!-- images: end -->"


def table_of(table: Table, verified: dict[str, float]) -> str:
    """The part of the page that is generated.

    :param verified: image name -> seconds until its probe held.
    """
    rows = ["| image | how near | what is to be known | verified |", "|---|---|---|---|"]
    for nearness in Nearness:
        for image in table.images:
            if image.nearness is nearness:
                rows.append(f"| `{image.name}` | {nearness.value} | {_note(image)} | {_proof(image, verified)} |")
    return "\n".join(rows)


def _note(image: Image) -> str:
    text = " ".join(image.note.split()).replace("|", "\\|")
    return text[0].upper() + text[1:]


def _proof(image: Image, verified: dict[str, float]) -> str:
    if image.nearness is Nearness.CANNOT:
        return "-"
    if not image.probe:
        return "no"
    if image.name not in verified:
        return "not yet"
    probe = image.probe
    proof = "ran to its end" if probe.ends else f"answers {probe.http}" if probe.http else f"listens on {probe.tcp}"
    if not (probe.ends or probe.http or probe.tcp):
        proof = "runs"
    if probe.exec_:
        proof += ", and a command in it did its work"
    return f"{proof}; uid {probe.user.split(':')[0]}, {verified[image.name]} s"


def page(text: str, table: Table, verified: dict[str, float]) -> str:
    """The page with its generated part renewed.

    :raises ValueError: the page has no place for it.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} lacks the lines {BEGIN} and {END}, between which the table goes")
    return f"{before}{BEGIN}\n{table_of(table, verified)}\n{END}{after}"


def main() -> int:
    """Write the page; with ``--check`` only say whether it is as it should be."""
    table = load()
    now = PAGE.read_text(encoding="utf-8")
    verified = {name: entry["seconds"] for name, entry in recorded().items()}
    wanted = page(now, table, verified)
    if sys.argv[1:] == ["--check"]:
        if now != wanted:
            print(f"{PAGE} is not what images.yaml and verified.yaml say; run: make images-docs", file=sys.stderr)
        return int(now != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    stale = _stale(table)
    if stale:
        print(
            f"built otherwise than verified: {', '.join(stale)}; run: python -m rehearsal.images verify",
            file=sys.stderr,
        )
    return 0


def _stale(table: Table) -> list[str]:
    """Images that were verified as something else than what their layers in the cache make now."""
    layers, kept, stale = Layers(), recorded(), []
    for image in table.images:
        built = [layers.find(layer) for layer in table.layers_of(image)]
        whole = [layer for layer in built if layer]
        if (
            image.name in kept
            and len(whole) == len(built)
            and kept[image.name]["image"] != archive.digest(image, whole)
        ):
            stale.append(image.name)
    return stale


if __name__ == "__main__":
    sys.exit(main())
