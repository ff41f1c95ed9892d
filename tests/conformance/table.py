"""Write docs/conformance.md's table from what was run: ``python -m tests.conformance.table EMULATED.xml REAL.xml``.

The files are pytest's JUnit reports of the same tests against the emulated server and Kubernetes' own. A behaviour is a
test function; its cases are counted. What one of the two did not run says so.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conformance.md"
BEGIN, END = "<!-- begin: make conformance writes this -->", "<!-- end -->"
# (file, function) -> verdicts of its cases
Outcomes = dict[tuple[str, str], Counter[str]]


def outcomes(report: Path) -> Outcomes:
    """Verdicts by test function.

    :raises SystemExit: the report is missing or holds no test.
    """
    if not report.is_file():
        raise SystemExit(f"{report} is missing: make conformance writes it")
    found: Outcomes = defaultdict(Counter)
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it
        file = case.attrib["classname"].replace(".", "/") + ".py"
        found[file, case.attrib["name"].split("[")[0]][_verdict(case)] += 1
    if not found:
        raise SystemExit(f"{report} holds no test")
    return found


def _verdict(case: ET.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "FAILS"
    return "not run" if case.find("skipped") is not None else "passes"


def table(emulated: Outcomes, real: Outcomes) -> str:
    """Markdown: a table for each file, headed by the file's own first line."""
    lines = []
    for file in sorted({file for file, _ in emulated | real}):
        lines += [f"### {_title(ROOT / file)}", "", f"`{file}`", "", "| behaviour | emulated | Kubernetes |"]
        lines += ["|---|---|---|"]
        for key in dict.fromkeys([*emulated, *real]):
            if key[0] == file:
                lines.append(f"| {_sentence(key[1])} | {_cell(emulated.get(key))} | {_cell(real.get(key))} |")
        lines.append("")
    total = f"Cases: emulated {_sum(emulated)}; Kubernetes {_sum(real)}."
    return "\n".join([total, "", *lines]).rstrip() + "\n"


def _title(file: Path) -> str:
    return (ast.get_docstring(ast.parse(file.read_text())) or file.stem).splitlines()[0].rstrip(".")


def _sentence(function: str) -> str:
    text = function.removeprefix("test_").replace("_", " ")
    return text[0].upper() + text[1:]


def _cell(verdicts: Counter[str] | None) -> str:
    if not verdicts:
        return "not run"
    return ", ".join(f"{name} ({count})" if count > 1 else name for name, count in sorted(verdicts.items()))


def _sum(found: Outcomes) -> str:
    total: Counter[str] = sum(found.values(), Counter())
    return ", ".join(f"{count} {name}" for name, count in sorted(total.items()))


def main(arguments: list[str]) -> int:
    """Replace what stands between the markers of the page."""
    emulated, real = (outcomes(Path(one)) for one in arguments)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise SystemExit(f"{PAGE} lacks the lines {BEGIN!r} and {END!r} around its table")
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(emulated, real)}\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
