"""What a check proved, and what a stage's checks amount to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue

from slipway.decisions.kinds import Manifest
from slipway.model.component import Check, Component
from slipway.model.errors import ConfigurationError, Problem
from slipway.model.records import CheckResult, CheckState

# Workloads that serve come before those that end.
_MAIN_KINDS = ("StatefulSet", "Deployment", "DaemonSet", "CronJob", "Job")

# What a check's pod requests; its memory limit, when it is the usual one, is seldom needed in full.
# Shorter values are user names and the like, and would blot out words.
SHORTEST_SECRET = 8

CPU_REQUEST, USUAL_REQUEST, USUAL_LIMIT = "50m", "64Mi", "256Mi"


def memory_request(check: Check) -> str:
    """Memory that a check's pod requests; one that asks for another limit than usual is given all of it."""
    return USUAL_REQUEST if check.memory == USUAL_LIMIT else check.memory


def proof_in(lines: Sequence[str], check: str) -> dict[str, JsonValue] | None:
    """The last line that is a JSON object about the check, as it says what was proved.

    Objects of other programs, which may log JSON of their own, are passed over by their ``check`` field.
    """
    for line in reversed(lines):
        text = line.strip()
        if not (text.startswith("{") and text.endswith("}")):
            continue
        try:
            value = json.loads(text, parse_constant=_refuse)
        except ValueError:
            continue
        if isinstance(value, dict) and value.get("check") == check:
            return {key: item for key, item in value.items() if key != "check"}
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def without(values: Iterable[str], line: str) -> str:
    """A line of a check's output without secret values in it, should its script print one."""
    for value in sorted({one for one in values if len(one) >= SHORTEST_SECRET}, key=len, reverse=True):
        line = line.replace(value, "***")
    return line


def last_words(lines: Sequence[str]) -> str:
    """The last line with anything on it: a skipped check's reason."""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def main_image(component: Component, manifests: Iterable[Manifest]) -> str:
    """Image of a component's main workload: the one of its name, else the first that serves.

    :raises ConfigurationError: the component has no workload, so its checks must name an image.
    """
    workloads = [manifest for manifest in manifests if manifest["kind"] in _MAIN_KINDS]
    workloads.sort(key=lambda item: (item["metadata"]["name"] != component.name, _MAIN_KINDS.index(item["kind"])))
    if not workloads:
        raise ConfigurationError(
            [
                Problem(
                    f"include/manifests/{component.stage.value}/{component.name}/component.yaml",
                    "checks[].image",
                    "no image, and the component has no workload to take one from",
                    "an image with a pinned tag",
                    "name the image that the check runs in",
                )
            ]
        )
    spec = workloads[0]["spec"]
    if workloads[0]["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    containers = spec["template"]["spec"]["containers"]
    named = next((item for item in containers if item["name"] == component.name), containers[0])
    image: str = named["image"]
    return image


@dataclass(frozen=True, slots=True)
class Expected:
    """A check that a stage's gate counts on."""

    component: str
    check: Check


@dataclass(frozen=True, slots=True)
class StageVerdict:
    """What a stage's checks amount to.

    :param missing: checks without any result: nobody knows, so the stage is not proven.
    """

    passed: list[CheckResult] = field(default_factory=list)
    skipped: list[CheckResult] = field(default_factory=list)
    failed: list[CheckResult] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Whether nothing failed and nothing is unknown."""
        return not self.failed and not self.missing

    def __str__(self) -> str:
        parts = [f"{len(self.passed)} proven", f"{len(self.skipped)} not run", f"{len(self.failed)} failed"]
        if self.missing:
            parts.append(f"{len(self.missing)} without a result")
        return ", ".join(parts)


def judge_stage(expected: Iterable[Expected], results: Mapping[tuple[str, str], CheckResult]) -> StageVerdict:
    """Sort a stage's checks by how they ended.

    :param results: by component and check name.
    """
    verdict = StageVerdict()
    groups: dict[CheckState, list[CheckResult]] = {
        CheckState.PASSED: verdict.passed,
        CheckState.SKIPPED: verdict.skipped,
        CheckState.FAILED: verdict.failed,
    }
    for item in expected:
        result = results.get((item.component, item.check.name))
        if result is None:
            verdict.missing.append(f"{item.component}/{item.check.name}")
        else:
            groups[result.state].append(result)
    return verdict


def summary(verdict: StageVerdict) -> dict[str, Any]:
    """The verdict for a record: numbers first, then each check."""
    everything = [*verdict.failed, *verdict.skipped, *verdict.passed]
    return {
        "green": verdict.green,
        "passed": len(verdict.passed),
        "skipped": len(verdict.skipped),
        "failed": len(verdict.failed),
        "missing": verdict.missing,
        "checks": [result.model_dump(mode="json") for result in everything],
    }
