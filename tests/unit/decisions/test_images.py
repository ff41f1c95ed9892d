"""An image is pinned by a full version or a digest, and by nothing less."""

from __future__ import annotations

import pytest
from slipway.decisions.images import containers_of, judge_images, unpinned_reason

from tests.unit.decisions.facts import component, workload

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "image",
    [
        "nginx:1.31.0",
        "docker.io/library/nginx:1.31-alpine",
        "localhost:5000/team/app:v2.4",
        f"nginx@{DIGEST}",
        f"nginx:latest@{DIGEST}",
        "quay.io/x/y:2026.08.1-r3",
    ],
)
def test_pinned(image: str) -> None:
    assert unpinned_reason(image) is None


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("nginx", "nginx has no tag"),
        ("localhost:5000/nginx", "nginx has no tag"),
        ("nginx:latest", "the tag latest moves"),
        ("nginx:Stable", "the tag Stable moves"),
        ("nginx:1", "the tag 1 is not a full version"),
        ("nginx:v3-alpine", "the tag v3-alpine is not a full version"),
        ("nginx@sha256:abc", "the tag abc is not a full version"),
        ("", "no image is named"),
    ],
)
def test_not_pinned(image: str, reason: str) -> None:
    assert unpinned_reason(image) == reason


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_every_kind_and_init_container_is_looked_at(kind: str) -> None:
    init = [{"name": "i", "image": "busybox"}]
    (problem,) = judge_images(component(), [workload(kind, initContainers=init)])
    assert (problem.where, problem.field, problem.found) == (
        "include/manifests/data-layer/kafka",
        f"{kind} x",
        "busybox",
    )
    assert "busybox has no tag" in problem.mend


def test_checks_are_looked_at() -> None:
    check = {"name": "one", "proves": "it", "command": ["true"], "image": "tool:latest"}
    (problem,) = judge_images(component(checks=[check]), [])
    assert problem.field == "checks.one.image"


def test_a_container_without_image_is_a_problem_and_no_traceback() -> None:
    (problem,) = judge_images(component(), [workload(containers=[{"name": "main"}])])
    assert problem.found == "nothing"


@pytest.mark.parametrize("manifest", [{"kind": "ConfigMap"}, {"kind": "Service", "spec": None}])
def test_what_runs_nothing_has_no_containers(manifest: dict[str, object]) -> None:
    assert containers_of(manifest) == []
