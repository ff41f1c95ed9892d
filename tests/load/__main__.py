"""``python -m tests.load``: run it, judge it, write ``docs/reliability-load.md``.

    python -m tests.load --cycles 20 --platforms 20

Exit code 1 when something grows that should not, or a platform fails.
"""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import tests.conftest  # noqa: F401 - Airflow's configuration, before Airflow
from tests.load import report

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability-load.md"
REGION = "us-east-1"


def main(arguments: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    options = _parser().parse_args(arguments)
    # After the configuration: these import Airflow.
    import boto3

    from tests.load import drive, measure

    found = report.Findings(
        when=datetime.now(UTC), machine=f"{os.cpu_count()} CPUs, {machine.system()} {machine.release()}"
    )
    names = [f"load{number:02}" for number in range(1, options.platforms + 1)]
    with tempfile.TemporaryDirectory() as folder, drive.project(Path(folder), names) as (cloud, environments):
        clients = {
            name: boto3.client(name, region_name=REGION, endpoint_url=cloud.env["AWS_ENDPOINT_URL"])
            for name in ("s3", "kms", "ec2", "cloudformation")
        }
        deadline = time.monotonic() + 60 * options.minutes
        for cycle in range(1, options.cycles + 1):
            began = time.monotonic()
            drive.deploy(environments[0])
            drive.take_down(environments[0])
            found.samples.append(measure.sample(cloud, clients))
            found.seconds.append(time.monotonic() - began)
            print(f"cycle {cycle} of {options.cycles}: {found.seconds[-1]:.1f} s", flush=True)
            if time.monotonic() > deadline:
                print(f"stopped after {options.minutes} minutes", flush=True)
                break
        found.asked = options.cycles
        if options.platforms > 1:
            for what, act in (("deployed", drive.deploy), ("watched", drive.watch), ("taken down", drive.take_down)):
                found.together.append(drive.together(what, act, environments))
                last = found.together[-1]
                print(f"{len(last.done)} of {len(names)} {what} at once in {last.seconds:.0f} s", flush=True)
            found.left = measure.sample(cloud, clients)
    if options.samples:
        options.samples.write_text(json.dumps(found.samples))
    verdict = report.judge(found)
    DOCUMENT.write_text(report.markdown(found, verdict))
    for line in verdict.problems:
        print(f"FAILED {line}", file=sys.stderr)
    print(f"wrote {DOCUMENT.relative_to(Path.cwd()) if DOCUMENT.is_relative_to(Path.cwd()) else DOCUMENT}")
    return 1 if verdict.problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--cycles", type=int, default=20, help="deploys and teardowns of one platform (20)")
    parser.add_argument("--platforms", type=int, default=20, help="platforms at once (20)")
    parser.add_argument("--minutes", type=float, default=600, help="begin no further cycle after so many")
    parser.add_argument("--samples", type=Path, default=None, help="file for all numbers, as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
