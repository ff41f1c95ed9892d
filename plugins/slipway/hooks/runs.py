"""What runs recorded, run by run: which there were, and what their checks and stages proved."""

from __future__ import annotations

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from slipway.hooks.aws import code_of
from slipway.hooks.records import ABSENT, RecordsHook
from slipway.model.component import StageName
from slipway.model.platform import Platform
from slipway.model.records import CheckResult

READERS = 12
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T[0-9:.+]+")


class RunsHook:
    """Reads the records below ``runs/`` of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.records = RecordsHook(platform)

    def run_ids(self) -> list[str]:
        """Runs with records, the newest first. A list call per thousand runs, whatever they recorded."""
        pages = self.records.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.records.bucket, Prefix="runs/", Delimiter="/"
        )
        try:
            found = [entry["Prefix"].split("/")[1] for page in pages for entry in page.get("CommonPrefixes", [])]
        except ClientError as error:
            if code_of(error) in ABSENT:
                return []
            raise
        # Airflow's own run ids hold their time; others sort before them.
        return sorted(found, key=_time_of, reverse=True)

    def checks(self, run_id: str) -> list[CheckResult]:
        """Results of a run's checks."""
        keys = self.records.list(RecordsHook.run_key(run_id, "checks", ""))
        return [one for one in map(_result, self._read(keys)) if one is not None]

    def stages(self, run_id: str) -> dict[StageName, dict[str, Any]]:
        """A run's stage reports: whether each stage proved itself."""
        found = self._read(RecordsHook.run_key(run_id, "stages", f"{stage.value}.json") for stage in StageName)
        return {stage: document for stage, document in zip(StageName, found, strict=True) if isinstance(document, dict)}

    def _read(self, keys: Iterable[str]) -> list[Any]:
        with ThreadPoolExecutor(READERS) as pool:
            return list(pool.map(self.records.get_json, keys))


def _time_of(run_id: str) -> tuple[str, str]:
    found = _TIME.search(run_id)
    return (found[0] if found else "", run_id)


def _result(document: Any) -> CheckResult | None:
    try:
        return CheckResult.model_validate(document)
    except ValidationError:
        return None
