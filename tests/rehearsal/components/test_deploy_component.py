"""The life of a component: first apply, nothing to do, edits, repairs, conflicts, pruning."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from slipway.catalog.render import render
from slipway.decisions.inventory import ObjectRef
from slipway.decisions.readiness import Readiness, Verdict
from slipway.hooks.kubernetes import EksAccess
from slipway.hooks.kubernetes_async import connect
from slipway.hooks.releases import Releases
from slipway.operators import component as module
from slipway.operators.component import DeployComponentOperator

from tests.rehearsal.components.conftest import Stack, edit
from tests.rehearsal.components.driver import Run

pytestmark = pytest.mark.timeout(180)

DEPLOYMENT = "/apis/apps/v1/namespaces/tiny/deployments/tiny"
SETTINGS = "/api/v1/namespaces/tiny/configmaps/settings"
SECRET = "/api/v1/namespaces/tiny/secrets/tiny-auth"
RELEASES = "/api/v1/namespaces/slipway-system/configmaps"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


def release_names(stack: Stack) -> list[str]:
    found = stack.kubernetes("GET", RELEASES, labelSelector="slipway.dev/release-of=tiny")
    return sorted(item["metadata"]["name"] for item in found["items"])


def test_first_deploy_creates_waits_and_records(empty: Stack) -> None:
    outcome = empty.deploy("tiny")
    actions = {change["resource"]: change["action"] for change in outcome.value}
    assert set(actions.values()) == {"create"}
    assert {"Deployment tiny/tiny", "Namespace tiny", "Secret tiny/tiny-auth"} <= set(actions)
    assert "AWS::SecretsManager::Secret slipway-dev/tiny/tiny-auth" in actions
    assert empty.kubernetes("GET", DEPLOYMENT)["status"]["availableReplicas"] == 2
    assert release_names(empty) == ["tiny.v1"]
    record = empty.kubernetes("GET", f"{RELEASES}/tiny.v1")
    assert '"state":"ready"' in record["data"]["release.json"]


def test_a_rollout_is_waited_for_by_a_trigger_and_then_marked_ready(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.deploy("tiny")
    # At this speed rollouts end before they are first looked at.
    unready = Verdict(Readiness.PROGRESSING, ("it has only begun",))
    monkeypatch.setattr(module, "judge", lambda *_: unready)
    path = stack.folder("tiny") / "deployment.yaml"
    path.write_text(path.read_text().replace(":1.31.0", ":1.31.1"))
    outcome = stack.deploy("tiny")
    assert outcome.waits == ["ComponentReadyTrigger"]
    assert [change["resource"] for change in outcome.value] == ["Deployment tiny/tiny"]
    assert stack.kubernetes("GET", DEPLOYMENT)["status"]["availableReplicas"] == 2
    records = stack.kubernetes("GET", RELEASES, labelSelector="slipway.dev/release-of=tiny")["items"]
    last = max(records, key=lambda record: int(record["metadata"]["labels"]["slipway.dev/release"]))
    assert '"state":"ready"' in last["data"]["release.json"]


def test_second_deploy_changes_nothing_and_does_not_wait(stack: Stack) -> None:
    stack.deploy("tiny")
    releases = release_names(stack)
    before = stack.kubernetes("GET", DEPLOYMENT)["metadata"]
    again = stack.deploy("tiny")
    assert (again.value, again.waits) == ([], [])
    after = stack.kubernetes("GET", DEPLOYMENT)["metadata"]
    assert after["generation"] == before["generation"]
    assert release_names(stack) == releases


def test_an_edit_changes_what_was_edited_and_names_the_field(stack: Stack) -> None:
    stack.deploy("tiny")
    releases = release_names(stack)
    path = stack.folder("tiny") / "service.yaml"
    path.write_text(path.read_text().replace("port: 80,", "port: 81,"))
    changes = stack.deploy("tiny").value
    assert [(change["action"], change["resource"]) for change in changes] == [("change", "Service tiny/tiny")]
    assert "spec.ports" in changes[0]["fields"][0]
    assert len(set(release_names(stack)) - set(releases)) == 1


def test_what_was_deleted_by_hand_is_repaired_without_a_new_release(stack: Stack) -> None:
    stack.deploy("tiny")
    releases = release_names(stack)
    stack.kubernetes("DELETE", DEPLOYMENT)
    outcome = stack.deploy("tiny")
    assert [(change["action"], change["resource"]) for change in outcome.value] == [("create", "Deployment tiny/tiny")]
    assert release_names(stack) == releases


def test_another_managers_field_is_named_and_not_taken(stack: Stack) -> None:
    stack.deploy("tiny")
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": "wild"}}
    stack.kubernetes("PATCH", SETTINGS, theirs, APPLY, fieldManager="somebody", force="true")
    with pytest.raises(AirflowFailException, match=r"ConfigMap tiny/settings: \.data\.mode: found set by somebody"):
        stack.deploy("tiny")
    assert stack.kubernetes("GET", SETTINGS)["data"]["mode"] == "wild"
    stack.kubernetes("DELETE", SETTINGS)


def test_fields_of_others_that_we_do_not_set_are_theirs(stack: Stack) -> None:
    stack.deploy("tiny")
    stack.kubernetes("PATCH", SETTINGS, {"data": {"added": "by hand"}}, MERGE)
    assert stack.actions("tiny") == {}
    assert stack.kubernetes("GET", SETTINGS)["data"] == {"mode": "calm", "added": "by hand"}
    stack.kubernetes("DELETE", SETTINGS)


def test_what_left_the_manifests_is_pruned_unless_it_is_not_ours(stack: Stack) -> None:
    stack.deploy("tiny")
    kustomization = stack.folder("tiny") / "kustomization.yaml"
    resources = [item for item in yaml.safe_load(kustomization.read_text())["resources"] if item != "service.yaml"]
    generators = [
        item for item in yaml.safe_load(kustomization.read_text())["configMapGenerator"] if item["name"] != "settings"
    ]
    edit(kustomization, resources=resources, configMapGenerator=generators)
    stack.kubernetes("PATCH", SETTINGS, {"metadata": {"labels": {"slipway.dev/component": "other"}}}, MERGE)
    changes = {change["resource"]: (change["action"], change["note"]) for change in stack.deploy("tiny").value}
    assert changes["Service tiny/tiny"] == ("delete", "no longer in the manifests")
    assert changes["ConfigMap tiny/settings"] == ("keep", "left alone: it now belongs to other")
    assert stack.kubernetes("GET", "/api/v1/namespaces/tiny/services/tiny") is None
    assert stack.kubernetes("GET", SETTINGS) is not None
    assert stack.actions("tiny") == {}
    stack.kubernetes("DELETE", SETTINGS)


def test_a_run_that_died_while_applying_leaves_nothing_unaccounted_for(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: object) -> Any:
        raise RuntimeError("the worker died")

    stack.deploy("tiny")
    folder = stack.folder("tiny")
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra", "namespace": "tiny"}}
    (folder / "extra.yaml").write_text(yaml.safe_dump(extra))
    kustomization = folder / "kustomization.yaml"
    original = kustomization.read_text()
    edit(kustomization, resources=[*yaml.safe_load(original)["resources"], "extra.yaml"])
    with monkeypatch.context() as patch:
        patch.setattr(Releases, "advance", die)
        with pytest.raises(RuntimeError, match="the worker died"):
            stack.deploy("tiny")
    assert stack.kubernetes("GET", "/api/v1/namespaces/tiny/configmaps/extra") is not None
    kustomization.write_text(original)
    assert stack.actions("tiny") == {"ConfigMap tiny/extra": "delete"}


def test_secrets_are_made_once_and_never_recorded(stack: Stack) -> None:
    stack.deploy("tiny")
    first = stack.kubernetes("GET", SECRET)["data"]
    password = base64.b64decode(first["password"]).decode()
    assert len(password) == 24
    assert stack.actions("tiny") == {}
    stack.kubernetes("DELETE", SECRET)
    assert stack.actions("tiny") == {"Secret tiny/tiny-auth": "create"}
    assert stack.kubernetes("GET", SECRET)["data"] == first
    records = stack.kubernetes("GET", RELEASES)
    assert password not in str(records)
    assert first["password"] not in str(records)


def test_secret_values_are_in_no_rendered_field_and_no_result(stack: Stack) -> None:
    operator = DeployComponentOperator(task_id="deploy", component=stack.component("tiny"))
    outcome = Run().task(operator)
    data = stack.kubernetes("GET", SECRET)["data"]
    secrets = [data["password"], base64.b64decode(data["password"]).decode()]
    assert "kind: Deployment" in operator.manifests
    shown = operator.manifests + str(outcome.value) + str(outcome.pushed)
    assert not any(secret in shown for secret in secrets)


def test_plan_of_a_cluster_without_it_creates_everything_and_calls_nothing(empty: Stack) -> None:
    before = empty.mutating_calls()
    planned = empty.deploy("tiny", Run(plan_only=True)).value
    assert empty.mutating_calls() == before
    assert {change["action"] for change in planned} == {"create"}
    assert empty.kubernetes("GET", "/api/v1/namespaces/tiny") is None


def test_plan_of_an_edit_names_it_and_calls_nothing(stack: Stack) -> None:
    stack.deploy("tiny")
    path = stack.folder("tiny") / "deployment.yaml"
    path.write_text(path.read_text().replace("replicas: 2", "replicas: 3"))
    before = stack.mutating_calls()
    planned = stack.deploy("tiny", Run(plan_only=True)).value
    assert stack.mutating_calls() == before
    assert [(item["action"], item["resource"], item["fields"]) for item in planned] == [
        ("change", "Deployment tiny/tiny", ["spec.replicas"])
    ]


def test_unchosen_stages_and_disabled_components_are_skipped(stack: Stack) -> None:
    with pytest.raises(AirflowSkipException, match="was not chosen"):
        stack.deploy("tiny", Run(stages=["applications"]))
    edit(stack.include / "environments/dev.yaml", components={"disabled": ["tiny"]})
    with pytest.raises(AirflowSkipException, match=r"tiny is disabled in include/environments/dev\.yaml"):
        stack.deploy("tiny")


def test_a_rollout_that_cannot_fit_fails_with_the_schedulers_words(stack: Stack) -> None:
    path = stack.folder("tiny") / "deployment.yaml"
    path.write_text(path.read_text().replace("cpu: 10m", 'cpu: "64"'))
    edit(stack.folder("tiny") / "component.yaml", timeout="3s")
    with pytest.raises(AirflowFailException, match=r"did not become ready within 0:00:03[\s\S]*Insufficient cpu"):
        stack.deploy("tiny")
    assert stack.component("tiny").spec.timeout == timedelta(seconds=3)


def test_releases_keep_the_last_ten(empty: Stack) -> None:
    async def release_twelve_times() -> None:
        access = EksAccess.of(empty.platform)
        async with connect(access, access.endpoint()) as api:
            for number in range(12):
                metadata = {"name": str(number), "namespace": "tiny"}
                manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
                await Releases(api).begin("tiny", [manifest], [ObjectRef.of(manifest)], "run", datetime.now(UTC))

    asyncio.run(release_twelve_times())
    assert release_names(empty) == sorted(f"tiny.v{number}" for number in range(3, 13))


def test_a_release_gives_its_manifests_back(stack: Stack) -> None:
    stack.deploy("tiny")

    async def read() -> Any:
        access = EksAccess.of(stack.platform)
        async with connect(access, access.endpoint()) as api:
            store = Releases(api)
            last = (await store.list_releases("tiny"))[-1].number
            return await store.get_release("tiny", last), await store.get_release("tiny", last + 1)

    (release, manifests), missing = asyncio.run(read())
    assert missing is None
    assert release.state.value == "ready"
    rendered = render(stack.component("tiny"), stack.platform)
    assert sorted(map(str, manifests)) == sorted(map(str, _plain(rendered)))


def _plain(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return json.loads(json.dumps(manifests, sort_keys=True))  # type: ignore[no-any-return]
