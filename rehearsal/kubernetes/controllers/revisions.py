"""ControllerRevisions: the history of the templates of StatefulSets and DaemonSets."""

from __future__ import annotations

from rehearsal.kubernetes.controllers.base import Controller
from rehearsal.kubernetes.controllers.pods import template_hash
from rehearsal.kubernetes.objects import Obj, clone, labels_of, name_of, namespace_of, owner_reference

REVISION_LABEL = "controller-revision-hash"
_REVISIONS = "controllerrevisions.apps"


def current_revision(controller: Controller, owner: Obj) -> Obj:
    """The revision of the owner's template, made or moved to the front of the history as needed."""
    template = owner["spec"]["template"]
    suffix = template_hash(template)
    name = f"{name_of(owner)}-{suffix}"
    history = controller.store.owned(_REVISIONS, owner)
    newest = max((r["revision"] for r in history), default=0)
    found = next((r for r in history if name_of(r) == name), None)
    if found is None:
        found = controller.create(
            _REVISIONS,
            {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": {
                    "name": name,
                    "namespace": namespace_of(owner),
                    "labels": {**labels_of(template), REVISION_LABEL: suffix},
                    "ownerReferences": [owner_reference(owner)],
                },
                "data": {"spec": {"template": {**clone(template), "$patch": "replace"}}},
                "revision": newest + 1,
            },
        )
    elif found["revision"] < newest:
        found = controller.store.put(_REVISIONS, {**found, "metadata": dict(found["metadata"]), "revision": newest + 1})
    _forget_old(controller, owner, found)
    return found


def _forget_old(controller: Controller, owner: Obj, current: Obj) -> None:
    limit = owner["spec"].get("revisionHistoryLimit", 10)
    used = {labels_of(pod).get(REVISION_LABEL) for pod in controller.store.owned("pods", owner)}
    idle = [
        r
        for r in controller.store.owned(_REVISIONS, owner)
        if name_of(r) != name_of(current) and labels_of(r).get(REVISION_LABEL) not in used
        and name_of(r) not in used
    ]  # fmt: skip
    for revision in sorted(idle, key=lambda r: int(r["revision"]))[: max(0, len(idle) - limit)]:
        controller.delete(_REVISIONS, revision)


def template_of(controller: Controller, namespace: str, revision: str, default: Obj) -> Obj:
    """The template a revision holds."""
    found = controller.store.get(_REVISIONS, namespace, revision)
    if found is None:
        return default
    template = clone(found["data"]["spec"]["template"])
    template.pop("$patch", None)
    return dict(template)
