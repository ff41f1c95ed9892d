"""Security, reliability and hygiene of every rendered object. Rules are in pod_rules and object_rules."""

from __future__ import annotations

import pytest

from tests.manifests.exemptions import FILE, exemptions, unexcused
from tests.manifests.object_rules import object_violations, platform_violations
from tests.manifests.pod_rules import Violation, pod_violations
from tests.manifests.rendering import Rendering, discover, environments, platform, render_all


def violations_of(rendering: Rendering) -> list[Violation]:
    """Violations of a rendering's objects, each by itself."""
    return [
        violation
        for manifest in render_all()[rendering]
        for violation in [*pod_violations(manifest), *object_violations(manifest, rendering.component)]
    ]


@pytest.mark.parametrize("rendering", discover(), ids=lambda one: one.id)
def test_each_object_meets_the_rules(rendering: Rendering) -> None:
    assert unexcused(violations_of(rendering)) == []


@pytest.mark.parametrize("environment", environments())
def test_objects_fit_together(environment: str) -> None:
    assert unexcused(list(platform_violations(platform(environment)))) == []


def test_every_exemption_is_needed_and_explained() -> None:
    needed = {
        (violation.object, violation.rule)
        for violation in [
            *(violation for rendering in discover() for violation in violations_of(rendering)),
            *(violation for environment in environments() for violation in platform_violations(platform(environment))),
        ]
    }
    stale = sorted(set(exemptions()) - needed)
    assert not stale, f"remove from {FILE.name}, nothing needs it any more: {stale}"
    assert all(len(reason) > 20 for reason in exemptions().values())


def test_no_object_is_made_twice() -> None:
    for environment in environments():
        seen: dict[tuple[str, str, str], int] = {}
        for manifest in platform(environment):
            metadata = manifest["metadata"]
            key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"])
            seen[key] = seen.get(key, 0) + 1
        assert {key: count for key, count in seen.items() if count > 1} == {}
