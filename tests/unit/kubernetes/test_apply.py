"""What apply makes of the API server's answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from slipway.decisions.inventory import ObjectRef
from slipway.hooks import apply as module
from slipway.hooks.apply import Applied, Applier, ApplyError
from slipway.model.records import Action, Change

from tests.unit.kubernetes.scripted import Scripted, api_for

PATH = "/api/v1/namespaces/data/configmaps/settings"
LIST = "/api/v1/configmaps"
JOB_PATH = "/apis/batch/v1/namespaces/data/jobs/migrate"
JOBS = "/apis/batch/v1/jobs"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(module, "KIND_SERVED_SECONDS", 0.002)


def config_map(**data: str) -> dict[str, Any]:
    metadata = {"name": "settings", "namespace": "data", "labels": {"slipway.dev/component": "kafka"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def job() -> dict[str, Any]:
    metadata = {"name": "migrate", "namespace": "data", "labels": {"slipway.dev/component": "kafka"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}


def listed(*objects: dict[str, Any]) -> dict[str, Any]:
    return {
        "items": [{key: value for key, value in item.items() if key not in {"apiVersion", "kind"}} for item in objects]
    }


def conflict(manager: str, field: str) -> dict[str, Any]:
    cause = {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}" using v1', "field": field}
    return {"reason": "Conflict", "message": "Apply failed with 1 conflict", "details": {"causes": [cause]}}


def having(*objects: dict[str, Any]) -> Scripted:
    """A cluster that has these objects already."""
    jobs = [item for item in objects if item["kind"] == "Job"]
    script = Scripted().on("GET", JOBS, 200, listed(*jobs)).on("GET", "/api/v1/services", 200, listed())
    return script.on("GET", LIST, 200, listed(*(item for item in objects if item not in jobs)))


def applied(script: Scripted, *manifests: dict[str, Any], dry_run: bool = False) -> list[Applied]:
    async def main() -> list[Applied]:
        async with api_for(script) as api:
            return await Applier(api, dry_run=dry_run).apply(manifests)

    return asyncio.run(main())


def pruned(script: Scripted, refs: Sequence[ObjectRef], dry_run: bool = False) -> list[Change]:
    async def main() -> list[Change]:
        async with api_for(script) as api:
            return await Applier(api, dry_run=dry_run).prune("kafka", refs)

    return asyncio.run(main())


def test_created_changed_and_kept() -> None:
    created = applied(having().on("PATCH", PATH, 201, config_map(a="1")), config_map(a="1"))
    assert [item.change.action for item in created] == [Action.CREATE]
    script = having(config_map(a="1")).on("PATCH", PATH, 200, config_map(a="2"))
    changed = applied(script, config_map(a="2"))
    assert changed[0].change == Change(action=Action.CHANGE, resource="ConfigMap data/settings", fields=["data.a"])
    same = having(config_map(a="1")).on("PATCH", PATH, 200, config_map(a="1"), Warning="299 - x")
    kept = applied(same, config_map(a="1"))
    assert (kept[0].change.action, kept[0].change.note) == (Action.KEEP, "")


def test_what_was_there_without_our_label_is_adopted_and_said() -> None:
    adopted = applied(having().on("PATCH", PATH, 200, config_map(a="1")), config_map(a="1"))[0].change
    assert (adopted.action, adopted.note) == (Action.CHANGE, "was there already, without our label")


def test_a_manifest_that_fits_no_schema_is_final_though_the_api_calls_it_its_own_error() -> None:
    message = "failed to create typed patch object (data/settings): .dataa: field not declared in schema"
    script = having().on("PATCH", PATH, 500, {"reason": "InternalError", "message": message})
    with pytest.raises(ApplyError, match="field not declared") as caught:
        applied(script, config_map())
    assert caught.value.final
    assert len(script.sent("PATCH")) == 1


def test_dry_runs_say_so_on_every_write() -> None:
    script = having().on("PATCH", PATH, 201, config_map())
    assert applied(script, config_map(), dry_run=True)[0].change.action is Action.CREATE
    assert [query["dryRun"] for _, query, _ in script.sent("PATCH")] == ["All"]
    assert not script.sent("POST")
    assert not script.sent("DELETE")


def test_plans_survive_missing_namespaces_and_kinds() -> None:
    missing = having().on("PATCH", PATH, 404, {"reason": "NotFound", "message": 'namespaces "data" not found'})
    assert "namespace does not exist yet" in applied(missing, config_map(), dry_run=True)[0].change.note
    unknown = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "data"}}
    planned = applied(Scripted(), unknown, dry_run=True)
    assert (planned[0].change.action, planned[0].change.note) == (Action.CREATE, "kind Thing is not served yet")
    with pytest.raises(ApplyError, match="which the cluster does not serve"):
        applied(Scripted(), unknown)


def test_a_kind_served_a_moment_later_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KIND_SERVED_SECONDS", 5.0)
    served = {"resources": [{"name": "things", "kind": "Thing", "namespaced": True}]}
    script = Scripted().on("GET", "/apis/example.com/v1", 404).on("GET", "/apis/example.com/v1", 200, served)
    path = "/apis/example.com/v1/namespaces/data/things/x"
    thing = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "data"}}
    assert applied(script.on("PATCH", path, 201, thing), thing)[0].change.action is Action.CREATE


def test_a_conflict_names_manager_and_fields_and_takes_nothing() -> None:
    script = having(config_map()).on("PATCH", PATH, 409, conflict("kubectl-edit", ".data.a"))
    with pytest.raises(ApplyError, match=r"ConfigMap data/settings: \.data\.a: found set by kubectl-edit") as caught:
        applied(script, config_map(a="1"))
    assert caught.value.final
    assert all(query["force"] == "false" for _, query, _ in script.sent("PATCH"))


def test_a_conflict_that_comes_back_over_what_was_ceded_already_ends() -> None:
    script = having(job()).on("PATCH", JOB_PATH, 409, conflict("kube-controller-manager", ".spec.replicas"))
    with pytest.raises(ApplyError, match=r"spec.replicas: found set by kube-controller-manager") as caught:
        applied(script, {**job(), "spec": {"replicas": 1}})
    assert caught.value.final
    assert len(script.sent("PATCH")) == 2


def test_a_controllers_field_is_ceded() -> None:
    script = having(job())
    script.on("PATCH", JOB_PATH, 409, conflict("kube-controller-manager", ".spec.replicas"))
    script.on("PATCH", JOB_PATH, 200, job() | {"spec": {"x": 1}})
    done = applied(script, job() | {"spec": {"replicas": 2, "x": 1}})
    assert "spec.replicas is left to kube-controller-manager" in done[0].change.note
    assert [body["spec"] for _, _, body in script.sent("PATCH")] == [{"replicas": 2, "x": 1}, {"x": 1}]


def test_a_changed_job_is_made_anew() -> None:
    immutable = {"reason": "Invalid", "message": "spec.template: field is immutable"}
    script = having(job()).on("GET", JOB_PATH, 404)
    script.on("PATCH", JOB_PATH, 422, immutable).on("PATCH", JOB_PATH, 201, job()).on("DELETE", JOB_PATH, 200)
    assert applied(script, job())[0].change.action is Action.REPLACE
    assert [body["propagationPolicy"] for _, _, body in script.sent("DELETE")] == ["Background"]
    planned = having(job()).on("PATCH", JOB_PATH, 422, immutable)
    assert applied(planned, job(), dry_run=True)[0].change.action is Action.REPLACE
    assert not planned.sent("DELETE")


def test_anything_else_immutable_is_a_persons_decision() -> None:
    script = having(config_map())
    script.on("PATCH", PATH, 422, {"message": "data: Forbidden: field is immutable when `immutable` is set"})
    with pytest.raises(ApplyError, match="delete the object by hand"):
        applied(script, config_map(a="1"))


def test_all_refusals_of_a_wave_are_reported_and_later_waves_are_not_sent() -> None:
    second = config_map() | {"metadata": {"name": "second", "namespace": "data"}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kafka", "namespace": "data"}}
    script = having().on("PATCH", PATH, 422, {"message": "bad"})
    script.on("PATCH", "/api/v1/namespaces/data/configmaps/second", 403, {"message": "exceeded quota"})
    with pytest.raises(ApplyError) as caught:
        applied(script, service, config_map(), second)
    assert {problem.where for problem in caught.value.problems} == {"ConfigMap data/settings", "ConfigMap data/second"}
    assert not any("services" in path for path, _, _ in script.sent("PATCH"))


def test_a_namespaced_object_without_a_namespace_is_refused() -> None:
    with pytest.raises(ApplyError, match=r"write metadata\.namespace"):
        applied(Scripted(), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}})


REF = ObjectRef("v1", "ConfigMap", "data", "settings")


def live(**metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "settings", "uid": "1-2", "labels": {"slipway.dev/component": "kafka"}, **metadata}}


def test_prune_deletes_ours_by_its_uid() -> None:
    script = Scripted().on("GET", PATH, 200, live()).on("DELETE", PATH, 200)
    assert [change.action for change in pruned(script, [REF])] == [Action.DELETE]
    assert script.sent("DELETE")[0][2]["preconditions"] == {"uid": "1-2"}


def test_prune_leaves_others_and_says_so() -> None:
    script = Scripted().on("GET", PATH, 200, live(labels={"slipway.dev/component": "maze"}))
    changes = pruned(script, [REF])
    assert [(change.action, change.note) for change in changes] == [(Action.KEEP, "left alone: it now belongs to maze")]
    assert not script.sent("DELETE")


def test_prune_passes_over_what_is_gone_or_going() -> None:
    assert pruned(Scripted(), [REF]) == []
    assert pruned(Scripted().on("GET", PATH, 200, live(deletionTimestamp="now")), [REF]) == []


def test_planned_prune_deletes_nothing() -> None:
    script = Scripted().on("GET", PATH, 200, live())
    assert [change.action for change in pruned(script, [REF], dry_run=True)] == [Action.DELETE]
    assert not script.sent("DELETE")
