"""Good results of benchmarks, per environment and region: what the next ones are held against.

``baselines/<component>/<check>.json`` in the platform's bucket. Deleting it begins anew, after a change that is meant
to cost something: ``aws s3 rm s3://<bucket>/baselines/<component>/<check>.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slipway.decisions.baseline import Comparison, compare, extended
from slipway.hooks.records import RecordsHook
from slipway.model.component import Check, Component
from slipway.model.platform import Platform

# Beside the numbers of a result, which checks name in lower case.
RUN = "dagRun"


class BaselinesHook:
    """The baselines of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.records = RecordsHook(platform)

    def judge(self, component: Component, check: Check, proved: Mapping[str, Any], run: str) -> list[Comparison]:
        """Compare a result with its baseline; a result without a regression becomes part of it, once per run.

        :param run: the DAG run. Of a check that is tried again, after its worker died for one, the last try counts,
            and it is not held against the try before.
        :raises KeyError: the result lacks a number that has a tolerance.
        """
        key = f"baselines/{component.name}/{check.name}.json"
        kept = (self.records.get_json(key) or {}).get("results", [])
        history = [one for one in kept if one.get(RUN) != run]
        compared = compare(proved, history, check.tolerances)
        if not any(one.regressed for one in compared):
            self.records.put_json(
                key, {"check": f"{component.name}/{check.name}", "results": extended(history, {**proved, RUN: run})}
            )
        return compared

    def where(self, component: Component, check: Check) -> str:
        """Address of a check's baseline."""
        return f"s3://{self.records.bucket}/baselines/{component.name}/{check.name}.json"
