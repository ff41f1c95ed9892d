"""The page's files: nothing from elsewhere, nothing that makes code or HTML of text, and small."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

from slipway.page.app import STATIC

OWN = sorted(
    path for path in STATIC.rglob("*") if path.suffix in {".js", ".html", ".css"} and "vendor" not in path.parts
)
VENDORED = {
    "uplot-1.6.32.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uplot-1.6.32.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "htm-preact-3.1.1.js": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7",
}
MOST_BYTES = 500_000


def test_vendored_files_are_the_published_ones() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (STATIC / "vendor").iterdir()
        if path.suffix in {".js", ".css"}
    }
    assert found == VENDORED
    assert {path.stem for path in (STATIC / "vendor").glob("*.LICENSE")} == {"uplot", "htm", "preact"}


def test_no_other_host_is_named() -> None:
    for path in OWN:
        text = path.read_text()
        hosts = set(re.findall(r"https?://[\w.-]+", text)) - {"http://www.w3.org"}
        assert not hosts, f"{path.name} names {hosts}"


def test_text_never_becomes_html_or_code() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|dangerously|\beval\(|new Function|srcdoc"
    )
    for path in OWN:
        assert not forbidden.search(path.read_text()), path.name


def test_there_is_no_inline_script_or_style_to_allow() -> None:
    text = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    assert "style=" not in text
    for path in OWN:
        assert not re.search(r"""\sstyle=["'$]""", path.read_text()), path.name


def test_every_import_is_there() -> None:
    for path in (one for one in OWN if one.suffix == ".js"):
        for name in re.findall(r"""(?:from |import\()["'](\.[^"']+)["']""", path.read_text()):
            assert (path.parent / name).resolve().is_file(), f"{path.name} imports {name}"


def test_everything_together_is_small() -> None:
    files = [path for path in STATIC.rglob("*") if path.suffix in {".js", ".html", ".css", ".svg"}]
    total = sum(len(gzip.compress(path.read_bytes(), 5)) for path in files)
    assert total < MOST_BYTES / 2


def test_the_plugin_shows_it_in_the_navigation() -> None:
    from slipway.page.mount import FASTAPI_APP, PREFIX, VIEW

    assert FASTAPI_APP["url_prefix"] == PREFIX
    assert VIEW["href"] == f"{PREFIX[1:]}/"
    assert (VIEW["destination"], VIEW["url_route"]) == ("nav", "platform")
    for name in ("icon", "icon_dark_mode"):
        assert (STATIC / Path(str(VIEW[name])).name).is_file()
