"""Server-side apply of a component's objects: concurrent, ordered by kind, with a result per object.

Fields belong to managers. What another manager owns is not taken away: such a conflict is an error that names the
manager and the fields, except for the few fields that a controller sets on purpose (replicas of an autoscaled
workload, injected CA bundles), which are ceded to it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from slipway.decisions.applied import is_applied
from slipway.decisions.inventory import COMPONENT_LABEL, ObjectRef, changed_fields, why_kept, without_field
from slipway.decisions.kinds import REPLACED_WHEN_IMMUTABLE, Manifest, in_waves, is_ceded
from slipway.hooks.kubernetes_async import KubernetesApi, KubernetesApiError, Object
from slipway.model.errors import ErrorClass, Problem, Retry, SlipwayError
from slipway.model.platform import FIELD_MANAGER, RESTORE_MANAGER
from slipway.model.records import Action, Change

CREATED = 201
APPLY_PATCH = "application/apply-patch+yaml"
KIND_SERVED_SECONDS = 30.0
REPLACED_SECONDS = 120.0
POLL_SECONDS = 0.5
_MANAGER = re.compile(r'conflict with "(?P<name>[^"]*)"')


class ApplyError(SlipwayError):
    """Some objects were refused; objects of later waves were not sent.

    :param problems: one per refused object.
    :param final: whether only a person can mend it.
    """

    def __init__(
        self, problems: Sequence[Problem], final: bool, error_class: ErrorClass = ErrorClass.BAD_INPUT
    ) -> None:
        self.problems = tuple(problems)
        self.final = final
        self.error_class = error_class
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} object(s) could not be applied{lines}")


@dataclass(frozen=True, slots=True)
class Applied:
    """What apply did, or would do, to one object; ``live`` is the object afterwards, ``None`` when it is not there."""

    ref: ObjectRef
    change: Change
    live: Object | None


class _Refused(Exception):
    def __init__(self, problem: Problem, final: bool, error_class: ErrorClass = ErrorClass.BAD_INPUT) -> None:
        super().__init__(str(problem))
        self.problem = problem
        self.final = final
        self.error_class = error_class


class Applier:
    """Applies and prunes objects of one cluster.

    :param dry_run: ask the API what would happen; nothing is changed.
    """

    def __init__(self, api: KubernetesApi, *, manager: str = FIELD_MANAGER, dry_run: bool = False) -> None:
        self.api = api
        self.manager = manager
        self.dry_run = dry_run
        self._params = {"fieldManager": manager, "force": "false", "fieldValidation": "Strict"}
        if dry_run:
            self._params["dryRun"] = "All"

    async def apply(self, manifests: Iterable[Manifest]) -> list[Applied]:
        """Apply manifests, wave by wave, and tell what became of each, in the order they were sent.

        :raises ApplyError: objects were refused; all refusals of a wave are reported together.
        """
        done: list[Applied] = []
        everything = list(manifests)
        known = await self._known(everything)
        for wave in in_waves(everything):
            results = await asyncio.gather(*(self._one(manifest, known) for manifest in wave), return_exceptions=True)
            refused = [result for result in results if isinstance(result, _Refused)]
            for result in results:
                if isinstance(result, BaseException) and not isinstance(result, _Refused):
                    raise result
            if refused:
                # As long as one may mend by itself, all are sent again.
                final = all(item.final for item in refused)
                kind = next(item.error_class for item in refused if item.final == final)
                raise ApplyError([item.problem for item in refused], final, kind)
            done += [result for result in results if isinstance(result, Applied)]
        return done

    async def _known(self, manifests: Sequence[Manifest]) -> dict[ObjectRef, Object]:
        """Live objects that carry our components' labels, by one list per kind instead of one read per object."""
        wanted = {(item["apiVersion"], item["kind"], _component(item)) for item in manifests if _component(item)}
        found = await asyncio.gather(*(self._list(*key) for key in wanted))
        return {ref: live for objects in found for ref, live in objects.items()}

    async def _list(self, api_version: str, kind: str, component: str) -> dict[ObjectRef, Object]:
        resource = await self.api.resource(api_version, kind)
        if resource is None:
            return {}
        items = await self.api.items(resource.collection, {"labelSelector": f"{COMPONENT_LABEL}={component}"})
        return {ObjectRef.of({**item, "apiVersion": api_version, "kind": kind}): item for item in items}

    async def _one(self, manifest: Manifest, known: dict[ObjectRef, Object]) -> Applied:
        body = dict(manifest)
        ref = ObjectRef.of(body)
        live = known.get(ref)
        if live is not None and is_applied(body, live, self.manager):
            return Applied(ref, _change(Action.KEEP, ref), live)
        resource = await self._served(ref)
        if resource is None:
            if self.dry_run:
                return Applied(ref, _change(Action.CREATE, ref, note=f"kind {ref.kind} is not served yet"), None)
            raise _Refused(_unknown_kind(ref), final=True)
        if resource.namespaced and not ref.namespace:
            found, mend = "none, for a namespaced kind", "write metadata.namespace in its manifest"
            raise _Refused(Problem(str(ref), "metadata.namespace", found, "the name of a namespace", mend), final=True)
        path = await self.api.path(ref)
        try:
            return await self._patch(ref, path or "", body, live)
        except KubernetesApiError as error:
            if ref not in known and error.status == 404 and self.dry_run:
                return Applied(ref, _change(Action.CREATE, ref, note="its namespace does not exist yet"), None)
            raise _refusal(ref, error) from error

    async def _served(self, ref: ObjectRef) -> Any:
        """How the kind is served; a kind whose definition was just created needs a moment."""
        waited = 0.0
        while True:
            resource = await self.api.resource(ref.api_version, ref.kind)
            if resource or self.dry_run or "." not in ref.api_version or waited >= KIND_SERVED_SECONDS:
                return resource
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS

    async def _patch(self, ref: ObjectRef, path: str, body: Object, before: Object | None) -> Applied:
        ceded: list[str] = []
        replaced = False
        params = self._params
        while True:
            try:
                answer = await self.api.request("PATCH", path, params=params, body=body, content_type=APPLY_PATCH)
                break
            except KubernetesApiError as error:
                if params["force"] == "false" and _is_with_ourselves(error):
                    params = {**params, "force": "true"}
                    continue
                taken = _ceded_fields(error)
                less = body
                for field, _ in taken:
                    less = without_field(less, field)
                # The same conflict over the same body would come for ever.
                if less != body:
                    ceded += [f"{field} is left to {manager}" for field, manager in taken]
                    body = less
                elif _needs_replacement(ref, error) and not replaced:
                    replaced = True
                    if self.dry_run:
                        return Applied(ref, _change(Action.REPLACE, ref, note="its template cannot be changed"), before)
                    await self._delete_and_wait(path)
                else:
                    raise
        notes = "; ".join([*ceded, *answer.warnings])
        if replaced:
            return Applied(ref, _change(Action.REPLACE, ref, note=notes), answer.body)
        if answer.status == CREATED:
            return Applied(ref, _change(Action.CREATE, ref, note=notes), None if self.dry_run else answer.body)
        if before is None:
            adopted = "; ".join(filter(None, ["was there already, without our label", notes]))
            return Applied(ref, _change(Action.CHANGE, ref, ["metadata.labels"], adopted), answer.body)
        fields = changed_fields(before, answer.body)
        # What was ceded or warned about was said when the object last changed.
        change = _change(Action.CHANGE, ref, fields, notes) if fields else _change(Action.KEEP, ref)
        return Applied(ref, change, answer.body)

    async def _delete_and_wait(self, path: str) -> None:
        await self._delete(path, None)
        waited = 0.0
        while await self.api.get(path) is not None and waited < REPLACED_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            waited += POLL_SECONDS

    async def _delete(self, path: str, uid: str | None) -> None:
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            await self.api.request("DELETE", path, body=options)
        except KubernetesApiError as error:
            if error.status != 404:
                raise

    async def prune(self, component: str, candidates: Sequence[ObjectRef]) -> list[Change]:
        """Delete left-over objects that still carry the component's label, in the given order.

        Absent objects are not reported; those that are kept are, with the reason.
        """
        return [change for ref in candidates if (change := await self._prune_one(component, ref))]

    async def _prune_one(self, component: str, ref: ObjectRef) -> Change | None:
        path = await self.api.path(ref)
        live = await self.api.get(path) if path else None
        if live is None or path is None or live["metadata"].get("deletionTimestamp"):
            return None
        kept = why_kept({"kind": ref.kind, **live}, component)
        if kept:
            return _change(Action.KEEP, ref, note=kept)
        if not self.dry_run:
            await self._delete(path, live["metadata"].get("uid"))
        return _change(Action.DELETE, ref, note="no longer in the manifests")


def _component(manifest: Manifest) -> str:
    return str((manifest["metadata"].get("labels") or {}).get(COMPONENT_LABEL, ""))


def _change(action: Action, ref: ObjectRef, fields: Sequence[str] = (), note: str = "") -> Change:
    return Change(action=action, resource=str(ref), fields=list(fields), note=note)


def _ceded_fields(error: KubernetesApiError) -> list[tuple[str, str]]:
    """Conflicting fields with their managers when all of them may be ceded, else none."""
    conflicts = [(cause.get("field", ""), _manager(cause)) for cause in error.field_conflicts]
    return conflicts if conflicts and all(is_ceded(*conflict) for conflict in conflicts) else []


def _is_with_ourselves(error: KubernetesApiError) -> bool:
    """Whether all that is in conflict was set by another hand of Slipway's, as a restore does."""
    return bool(error.field_conflicts) and {_manager(one) for one in error.field_conflicts} == {RESTORE_MANAGER}


def _manager(cause: dict[str, str]) -> str:
    match = _MANAGER.search(cause.get("message", ""))
    return match["name"] if match else "another manager"


def _needs_replacement(ref: ObjectRef, error: KubernetesApiError) -> bool:
    return ref.kind in REPLACED_WHEN_IMMUTABLE and error.status == 422 and "immutable" in str(error)


def _refusal(ref: ObjectRef, error: KubernetesApiError) -> _Refused:
    where = str(ref)
    if error.field_conflicts:
        managers = sorted({_manager(cause) for cause in error.field_conflicts})
        fields = ", ".join(sorted(cause.get("field", "?") for cause in error.field_conflicts))
        namespace = f" -n {ref.namespace}" if ref.namespace else ""
        return _Refused(
            Problem(
                where,
                fields,
                f"set by {', '.join(managers)}",
                f"fields that nobody but {FIELD_MANAGER} or their controller sets",
                "take the value into the manifests, or give the fields back: "
                f"kubectl get {ref.kind.lower()} {ref.name}{namespace} --show-managed-fields -o yaml",
            ),
            final=True,
            error_class=ErrorClass.FOREIGN,
        )
    if error.status == 404 and ref.namespace:
        found, mend = (
            f"no namespace {ref.namespace}",
            "add it to base-services/namespaces, or correct metadata.namespace",
        )
        return _Refused(Problem(where, "metadata.namespace", found, "a namespace that exists", mend), final=True)
    if error.status == 422 and "immutable" in str(error):
        mend = "undo the change, or move its data away and delete the object by hand (--cascade=orphan keeps its pods)"
        return _Refused(Problem(where, "", error.message, "changes to mutable fields", mend), final=True)
    # A namespace on its way out will be gone by the next try.
    final = error.error_class.rule.retry is Retry.NEVER
    mend = error.error_class.rule.mend if error.error_class is not ErrorClass.BAD_INPUT else "correct the manifest"
    problem = Problem(where, "", error.message, "an object the API server accepts", mend)
    return _Refused(problem, final, error.error_class)


def _unknown_kind(ref: ObjectRef) -> Problem:
    return Problem(
        str(ref),
        "apiVersion",
        f"{ref.api_version} {ref.kind}, which the cluster does not serve",
        "kinds of the cluster's version, or of a CustomResourceDefinition applied before",
        f"kubectl api-resources | grep -i {ref.kind.lower()}; add the component that brings it to needs",
    )
