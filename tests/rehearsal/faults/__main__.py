"""Runs the cases and writes down how each did: results.json here, and from it docs/reliability.md.

python -m tests.rehearsal.faults                all cases
python -m tests.rehearsal.faults --only 6 7     some; the others keep what they last came to
python -m tests.rehearsal.faults --sample       a sample, for every change; writes nothing
python -m tests.rehearsal.faults --render       docs/reliability.md from what is kept
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
import warnings

import tests.conftest  # noqa: F401 - Airflow reads its configuration when it is first imported
from tests.rehearsal.faults.cases import CASES, Case
from tests.rehearsal.faults.report import load, render, save, table
from tests.rehearsal.faults.scoring import Result
from tests.rehearsal.faults.world import World


def main(arguments: list[str]) -> int:
    """Run what was asked for; 0 when every case that ran holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.rehearsal.faults", description=__doc__)
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--only", nargs="*", type=int, default=[])
    parser.add_argument("--render", action="store_true")
    parser.add_argument("--debug", action="store_true", help="write nothing down")
    options = parser.parse_args(arguments)
    if options.render:
        render(load())
        return 0
    chosen = [one for one in CASES if one.sampled or not options.sample]
    chosen = [one for one in chosen if not options.only or one.number in options.only]
    chosen.sort(key=lambda one: options.only.index(one.number) if options.only else one.number)
    # Airflow's own, about the libraries it uses.
    warnings.simplefilter("ignore")
    began = time.monotonic()
    keep = not options.sample and not options.debug
    results = run(chosen, keep=keep)
    print(table(results))
    held = sum(one.holds for one in results)
    print(f"\n{held} of {len(results)} cases hold, after {time.monotonic() - began:.0f} s")
    if keep:
        render(load())
    return 0 if held == len(results) else 1


def run(chosen: list[Case], *, keep: bool) -> list[Result]:
    """Run cases one after the other on one cloud."""
    world = World()
    results = []
    try:
        world.start()
        began = time.monotonic()
        world.stage()
        print(f"the platform is up after {time.monotonic() - began:.0f} s", flush=True)
        for one in chosen:
            results.append(judged(world, one))
            if keep:
                save(results[-1:])
    finally:
        world.stop()
    return sorted(results, key=lambda one: one.number)


def judged(world: World, case: Case) -> Result:
    """Run one case; whatever it raises costs it its marks."""
    result = Result(case.number, case.title, case.must, case.inject, [])
    began = time.monotonic()
    try:
        world.calm()
        world.begin()
        result.parts = case.run(world)
    except Exception as error:
        result.error = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    finally:
        world.calm()
    result.seconds = round(time.monotonic() - began, 1)
    print(
        f"{'holds' if result.holds else 'FAILS'}  {case.number:2}  {case.title}  ({result.seconds:.0f} s)", flush=True
    )
    for part in result.parts:
        for complaint in part.faults:
            print(f"           {part.what}: {complaint}", flush=True)
        if part.faults and os.environ.get("SHOW_TOLD"):
            print(part.told, flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
