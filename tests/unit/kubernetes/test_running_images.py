"""What a release says of its images comes from the nodes that pulled them."""

from __future__ import annotations

from typing import Any

from slipway.hooks.releases import running_images

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def pod(image: str, image_id: str) -> dict[str, Any]:
    return {
        "spec": {"containers": [{"name": "main", "image": image}]},
        "status": {"containerStatuses": [{"name": "main", "image": "another/name:tag", "imageID": image_id}]},
    }


def test_digests_are_by_the_reference_that_was_asked_for() -> None:
    assert running_images([pod("a/b:1.0", f"mirror.example.com/a/b@{OLD}")]) == {"a/b:1.0": OLD}
    assert running_images([pod("a/b:1.0", OLD)]) == {"a/b:1.0": OLD}


def test_a_rollout_under_way_shows_both_and_a_pod_that_has_not_pulled_shows_none() -> None:
    pods = [pod("a/b:1.0", f"a/b@{NEW}"), pod("a/b:1.0", f"a/b@{OLD}"), pod("c/d:1.0", "")]
    assert running_images(pods) == {"a/b:1.0": f"{OLD} {NEW}"}
    assert running_images([{"spec": {"containers": []}}]) == {}
