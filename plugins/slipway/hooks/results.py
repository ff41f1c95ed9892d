"""Results of a run's checks and stages, as records in the platform's artefact bucket."""

from __future__ import annotations

from typing import Any

from slipway.hooks.records import RecordsHook
from slipway.model.component import StageName
from slipway.model.platform import Platform
from slipway.model.records import CheckResult


class ResultsHook:
    """What the checks of one run proved."""

    def __init__(self, platform: Platform, run_id: str) -> None:
        self.records = RecordsHook(platform)
        self.run_id = run_id

    def put(self, stage: StageName, result: CheckResult) -> str:
        """Write a check's result, in place of an earlier try's; returns its URL."""
        return self.records.put_json(self._key(stage, result.component, result.check), result.model_dump(mode="json"))

    def get(self, stage: StageName, component: str, check: str) -> CheckResult | None:
        """Read a check's result; ``None`` when it left none."""
        record = self.records.get_json(self._key(stage, component, check))
        return None if record is None else CheckResult.model_validate(record)

    def put_stage(self, stage: StageName, report: dict[str, Any]) -> str:
        """Write a stage's report; returns its URL."""
        return self.records.put_json(RecordsHook.run_key(self.run_id, "stages", f"{stage.value}.json"), report)

    def _key(self, stage: StageName, component: str, check: str) -> str:
        return RecordsHook.run_key(self.run_id, "checks", stage.value, component, f"{check}.json")
