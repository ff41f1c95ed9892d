"""How fast the Platform page is: three environments in two regions each, ninety days of reports.

    python benchmarks/page.py                measure, and print what was found
    python benchmarks/page.py --write        the same, and put it into docs/page.md
    python benchmarks/page.py --serve 8099   serve it, to look at; prints the address to open

The page's own app over S3 in this process (moto), behind the same compression as Airflow's, with a viewer of Airflow's
simple auth manager. Paint is measured by `make browser`'s Chromium where it is installed, and left out where not.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REGIONS = ["us-east-1", "eu-west-1"]
ENVIRONMENTS = ("dev", "staging", "prod")
DAYS = 90
PARTS = ("now", "open", "cost", "scale")
ROUNDS = 40
BROWSER = ROOT / ".cache" / "browser" / "bin" / "python"
DOCUMENT = ROOT / "docs" / "page.md"
BEGIN, END = "<!-- results: written by benchmarks/page.py -->", "<!-- end of results -->"
# What is aimed at: milliseconds, milliseconds, bytes.
PAINT, ANSWER, WEIGHT = 1000, 100, 500_000


def _environment(home: Path) -> None:
    """Airflow and AWS for this process alone; before anything of Airflow is imported."""
    include = home / "include"
    include.mkdir()
    for entry in (ROOT / "include").iterdir():
        if entry.name != "environments":
            (include / entry.name).symlink_to(entry)
    shutil.copytree(ROOT / "include" / "environments", include / "environments")
    import yaml

    for name in ENVIRONMENTS:
        path = include / "environments" / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "regions": REGIONS}))
    os.environ.pop("AWS_ENDPOINT_URL", None)
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-process-" * 4,
            "AIRFLOW_CONN_AWS_DEFAULT": "aws://",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "SLIPWAY_INCLUDE_DIR": str(include),
        }
    )


def _fill(days: int) -> int:
    """Seed every platform; returns the number of reports."""
    from slipway.catalog.environments import load_platform

    from tests.browser import seed

    now = datetime.now(UTC).replace(microsecond=0)
    for name in ENVIRONMENTS:
        for region in REGIONS:
            platform = load_platform(name, region)
            seed.bucket(platform)
            for offset in range(days - 1, -1, -1):
                at = now - timedelta(days=offset, minutes=2)
                seed.health(platform, at)
                seed.cost(platform, at)
                seed.scale(platform, at)
            at = now - timedelta(hours=5)
            seed.run(platform, at)
    return len(ENVIRONMENTS) * len(REGIONS) * days * 3


@contextmanager
def served(port: int, days: int) -> Iterator[tuple[str, str, int]]:
    """The page's address, a viewer's token and the number of reports behind it."""
    from moto import mock_aws

    from tests.browser.light import serving

    with mock_aws():
        reports = _fill(days)
        with serving(port) as (url, tokens):
            yield url, tokens["viewer"], reports


def _get(url: str, token: str) -> tuple[float, int, bytes]:
    """Milliseconds, bytes on the wire, and what they hold."""
    headers = {"Cookie": f"_token={token}", "Accept-Encoding": "gzip"}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - loopback
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        sent = answer.read()
        took = 1000 * (time.perf_counter() - began)
        packed = answer.headers.get("Content-Encoding") == "gzip"
    return took, len(sent), gzip.decompress(sent) if packed else sent


def measure(url: str, token: str) -> dict[str, Any]:
    """First and cached answers of each part, over all platforms."""
    found: dict[str, Any] = {}
    for part in PARTS:
        urls = [f"{url}api/{name}/{region}/{part}" for name in ENVIRONMENTS for region in REGIONS]
        cold = {one: _get(one, token) for one in urls}
        if empty := [one for one, (_, _, body) in cold.items() if json.loads(body).get("data") is None]:
            raise SystemExit(f"answers without data, so nothing was measured: {', '.join(empty)}")
        first = [milliseconds for milliseconds, _, _ in cold.values()]
        again = sorted(_get(urls[index % len(urls)], token)[0] for index in range(ROUNDS))
        found[part] = {
            "first_ms": round(max(first), 1),
            "cached_p50_ms": round(statistics.median(again), 1),
            "cached_p95_ms": round(again[int(0.95 * len(again))], 1),
            "bytes": _get(urls[0], token)[1],
        }
    return found


def weight() -> int:
    """Bytes of all the page's files, each compressed as Airflow does."""
    static = ROOT / "plugins" / "slipway" / "page" / "static"
    files = [path for path in static.rglob("*") if path.suffix in {".js", ".css", ".html", ".svg"}]
    return sum(len(gzip.compress(path.read_bytes(), 5)) for path in files)


def paint(url: str, token: str) -> dict[str, Any] | str:
    """Milliseconds until something useful is painted, by Chromium; why not where it is not installed."""
    if not BROWSER.exists():
        return "not measured: make browser installs what it needs"
    process = subprocess.run(
        [str(BROWSER), str(Path(__file__).with_name("page_paint.py")), url, token],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return json.loads(process.stdout) if process.returncode == 0 else f"not measured: {process.stderr.strip()[-300:]}"


def table(result: dict[str, Any]) -> str:
    """What was found, as it stands in the document."""
    api, painted = result["api"], result["paint"]
    rows = [
        (f"answer of `{part}` from the cache, 95th percentile", f"{one['cached_p95_ms']:.0f} ms", ANSWER,
         one["cached_p95_ms"], f"{ANSWER} ms")
        for part, one in api.items()
    ]  # fmt: skip
    weight_kb, most_kb = f"{result['page_bytes_compressed'] / 1000:.0f} kB", f"{WEIGHT / 1000:.0f} kB"
    rows.append(("all files of the page, compressed", weight_kb, WEIGHT, result["page_bytes_compressed"], most_kb))
    if isinstance(painted, dict):
        median, sent = painted["useful_ms_median"], painted["transferred_bytes"]
        rows.insert(0, ("verdict painted, empty browser cache, median", f"{median} ms", PAINT, median, f"{PAINT} ms"))
        rows.append(("sent for a first visit of Now, data included", f"{sent / 1000:.0f} kB", WEIGHT, sent, most_kb))
    told = [
        f"| {what} | {found} | less than {aim} | {'yes' if value < most else '**no**'} |"
        for what, found, most, value, aim in rows
    ]
    cpu = f"{os.cpu_count()} cores, one-minute load average {result['load'][0]:.1f} to {result['load'][1]:.1f}"
    head = f"Measured {datetime.now(UTC):%Y-%m-%d} with {result['reports']:,} reports on {cpu}."
    more = "" if isinstance(painted, dict) else f"\nPaint: {painted}\n"
    return "\n".join([BEGIN, "", head, "", "| what | found | aim | met |", "|---|---:|---|---|", *told, more, END])


def write(result: dict[str, Any]) -> None:
    """Put what was found into the document, in place of what stands there."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(before + table(result) + after)


def main() -> None:
    """Measure, or serve."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--serve", type=int, metavar="PORT")
    arguments.add_argument("--days", type=int, default=DAYS)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="slipway-page-") as folder:
        _environment(Path(folder))
        with served(given.serve or 8097, given.days) as (url, token, reports):
            if given.serve:
                print(f"{url}  cookie _token={token}", flush=True)
                threading.Event().wait()
            began = os.getloadavg()[0]
            result = {
                "reports": reports,
                "api": measure(url, token),
                "page_bytes_compressed": weight(),
                "paint": paint(url, token),
            }
            result["load"] = [began, os.getloadavg()[0]]
    if given.write:
        write(result)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.path.insert(0, str(ROOT / "plugins"))
    main()
