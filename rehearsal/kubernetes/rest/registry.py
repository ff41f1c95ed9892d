"""Create, read, update and patch objects: the pipeline every write goes through.

decode -> default -> admit (mutating) -> prepare -> validate -> admit (validating) -> own -> store.
All of it runs without awaiting, so that one request is one step for everybody else.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from rehearsal.kubernetes.admission.chain import Admission
from rehearsal.kubernetes.apply import managed, patches
from rehearsal.kubernetes.errors import (
    ApiError,
    already_exists,
    bad_request,
    bad_value,
    conflict,
    invalid,
    not_found,
    required,
    stale,
)
from rehearsal.kubernetes.media import APPLY, JSON, MERGE, PATCH_TYPES, STRATEGIC
from rehearsal.kubernetes.objects import Obj, clone, dig, is_deleting, name_of, namespace_of, timestamp
from rehearsal.kubernetes.resources import Catalog, Resource
from rehearsal.kubernetes.rest import rules, strategies
from rehearsal.kubernetes.rest.decoding import decoded, decoded_for_apply
from rehearsal.kubernetes.rest.defaults import apply_defaults
from rehearsal.kubernetes.rest.options import WriteOptions
from rehearsal.kubernetes.schema import check
from rehearsal.kubernetes.store import Store

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"


class Registry:
    """Objects of one cluster as the API sees them."""

    def __init__(self, catalog: Catalog, store: Store, admission: Admission) -> None:
        self.catalog = catalog
        self.store = store
        self.admission = admission
        self.strategies = strategies.Strategies(store)

    def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        """The object at the resource's version.

        :raises ApiError: 404.
        """
        found = self.store.get(resource.id, namespace, name)
        if found is None:
            raise not_found(resource.plural, resource.group, name)
        return at_version(resource, found)

    def create(self, resource: Resource, namespace: str, body: Any, options: WriteOptions) -> Obj:
        """Create an object; the result is what is stored (or would be, on a dry run).

        :raises ApiError: 400, 403, 404 (namespace), 409, 422.
        """
        obj = clone(body) if options.trusted else decoded(resource, body, options)
        metadata = obj["metadata"]
        if metadata.get("resourceVersion") and not options.trusted:
            raise bad_request("resourceVersion should not be set on objects to be created")
        metadata.pop("resourceVersion", None)
        self._place(resource, namespace, metadata)
        self._name(resource, obj)
        self.admission.check_namespace(resource, metadata.get("namespace", ""), obj)
        apply_defaults(resource, obj)
        self.admission.mutate(resource, obj, options)
        metadata.update(uid=str(uuid.uuid4()), creationTimestamp=timestamp())
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(field, None)
        if strategies.has_generation(resource):
            metadata["generation"] = 1
        else:
            metadata.pop("generation", None)
        self.strategies.prepare_create(resource, obj, options.trusted)
        self._validate(resource, obj, None, options)
        if self.store.get(resource.id, namespace_of(obj), name_of(obj)) is not None:
            raise already_exists(resource.plural, resource.group, name_of(obj))
        self.admission.validate(resource, obj, None, options)
        metadata["managedFields"] = metadata.get("managedFields") or managed.track_update(
            resource.node, None, obj, options.writer(resource), resource.has_status
        )
        return obj if options.dry_run else self.store.put(resource.id, obj)

    def _place(self, resource: Resource, namespace: str, metadata: Obj) -> None:
        given = metadata.get("namespace", "")
        if given and given != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        if resource.namespaced:
            metadata["namespace"] = namespace

    def _name(self, resource: Resource, obj: Obj) -> None:
        metadata = obj["metadata"]
        prefix = metadata.get("generateName", "")
        if not metadata.get("name") and prefix:
            metadata["name"] = prefix[:58] + "".join(secrets.choice(_SUFFIX) for _ in range(5))
        if not metadata.get("name"):
            cause = required("metadata.name", "name or generateName is required")
            raise invalid(resource.kind, resource.group, "", [cause])

    def _validate(self, resource: Resource, obj: Obj, old: Obj | None, options: WriteOptions) -> None:
        if options.trusted:
            return
        # Through the main endpoint status is not written, so it is not judged either.
        ignored = "status" if resource.has_status and options.subresource != "status" else ""
        causes = check(resource.node, {key: value for key, value in obj.items() if key != ignored})
        if not causes:
            causes = rules.validate(resource, obj, old)
        if causes:
            raise invalid(resource.kind, resource.group, name_of(obj), causes)

    def update(self, resource: Resource, namespace: str, name: str, body: Any, options: WriteOptions) -> Obj:
        """Replace an object, or its status with ``options.subresource == "status"``.

        :raises ApiError: 400, 403, 404, 409, 422.
        """
        obj = clone(body) if options.trusted else decoded(resource, body, options)
        if name_of(obj) and name_of(obj) != name:
            raise bad_request(f"the name of the object ({name_of(obj)}) does not match the name on the URL ({name})")
        obj["metadata"]["name"] = name
        self._place(resource, namespace, obj["metadata"])
        old = self.get(resource, namespace, name)
        self._check_version(resource, obj, old, options)
        return self._replace(resource, old, obj, options)

    def _check_version(self, resource: Resource, obj: Obj, old: Obj, options: WriteOptions) -> None:
        metadata = obj["metadata"]
        given = metadata.get("resourceVersion", "")
        if not given and resource.custom and not options.trusted:
            cause = bad_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(resource.kind, resource.group, name_of(obj), [cause])
        if given and given != old["metadata"]["resourceVersion"]:
            raise stale(resource.plural, resource.group, name_of(obj))
        uid = metadata.get("uid", "")
        if uid and uid != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            raise conflict(resource.plural, resource.group, name_of(obj), why)

    def _replace(self, resource: Resource, old: Obj, obj: Obj, options: WriteOptions, owned: bool = False) -> Obj:
        """Store ``obj`` (a fresh dict) over ``old``; ``owned`` when managedFields are settled already."""
        self._keep_server_fields(resource, old, obj, options.subresource)
        apply_defaults(resource, obj)
        if not options.subresource:
            self.admission.mutate(resource, obj, options, old)
        self.strategies.prepare_update(resource, obj, old, options.subresource)
        self._validate(resource, obj, old, options)
        self.admission.validate(resource, obj, old, options)
        if strategies.has_generation(resource) and _desired(obj) != _desired(old):
            obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if not owned:
            obj["metadata"]["managedFields"] = managed.track_update(
                resource.node, old, obj, options.writer(resource), resource.has_status
            )
        if not obj["metadata"]["managedFields"]:
            del obj["metadata"]["managedFields"]
        if obj == old:
            return old
        if options.dry_run:
            return obj
        stored = self.store.put(resource.id, obj)
        self.remove_if_final(resource, stored)
        return stored

    def _keep_server_fields(self, resource: Resource, old: Obj, obj: Obj, subresource: str) -> None:
        if subresource == "status":
            status = obj.get("status")
            given = obj["metadata"].get("managedFields")
            obj.clear()
            obj.update({**clone({k: v for k, v in old.items() if k != "status"})})
            if status is not None:
                obj["status"] = status
            if given:
                obj["metadata"]["managedFields"] = given
        elif resource.has_status:
            obj.pop("status", None)
            if "status" in old:
                obj["status"] = old["status"]
        metadata, before = obj["metadata"], old["metadata"]
        for field in (
            "uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds",
            "resourceVersion", "generateName",
        ):  # fmt: skip
            metadata.pop(field, None)
            if field in before:
                metadata[field] = before[field]
        if is_deleting(old):
            self._no_new_finalizers(resource, old, obj)

    def _no_new_finalizers(self, resource: Resource, old: Obj, obj: Obj) -> None:
        before = set(old["metadata"].get("finalizers") or [])
        added = sorted(set(obj["metadata"].get("finalizers") or []) - before)
        if added:
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers {added}"
            raise invalid(resource.kind, resource.group, name_of(obj), [bad_value("metadata.finalizers", added, why)])

    def remove_if_final(self, resource: Resource, obj: Obj) -> bool:
        """Remove an object whose deletion was waiting for finalizers that are gone now."""
        if not is_deleting(obj) or obj["metadata"].get("finalizers"):
            return False
        if dig(obj, "metadata", "deletionGracePeriodSeconds", default=0) or (
            resource.id == "namespaces" and dig(obj, "spec", "finalizers", default=[])
        ):
            return False
        self.store.remove(resource.id, namespace_of(obj), name_of(obj))
        return True

    def patch(
        self, resource: Resource, namespace: str, name: str, kind: str, body: Any, options: WriteOptions
    ) -> tuple[Obj, bool]:
        """Patch by media type ``kind``; the second result says whether the object was created.

        :raises ApiError: 400, 403, 404, 409, 415, 422.
        """
        if kind == APPLY:
            return self._apply(resource, namespace, name, body, options)
        old = self.get(resource, namespace, name)
        base = clone(old)
        if kind == JSON:
            patched = patches.json_patch(base, body)
        elif not isinstance(body, dict):
            raise bad_request("the patch must be an object")
        elif kind == MERGE:
            patched = patches.merge_patch(base, body)
        elif kind == STRATEGIC and not resource.custom:
            patched = patches.strategic_merge(resource.node, base, body)
        else:
            allowed = [JSON, MERGE, APPLY] if resource.custom else PATCH_TYPES
            raise ApiError(
                415, "UnsupportedMediaType", f"415: Unsupported Media Type (found {kind}; {', '.join(allowed)})"
            )
        obj = decoded(resource, patched, options)
        if name_of(obj) != name:
            raise bad_request("the name of the object does not match the name on the URL")
        self._check_version(resource, obj, old, options)
        return self._replace(resource, old, obj, options), False

    def _apply(
        self, resource: Resource, namespace: str, name: str, body: Any, options: WriteOptions
    ) -> tuple[Obj, bool]:
        applied = decoded_for_apply(resource, body)
        self._check_apply_target(resource, namespace, name, applied)
        live = self.store.get(resource.id, namespace, name)
        writer = options.writer(resource, "Apply")
        if live is None:
            if options.subresource:
                raise not_found(resource.plural, resource.group, name)
            given = applied["metadata"]
            if given.get("resourceVersion") or given.get("uid"):
                raise not_found(resource.plural, resource.group, name)
            blank: Obj = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
            obj = managed.apply(resource.node, blank, applied, writer, True, resource.has_status)
            obj["metadata"].update(name=name)
            return self.create(resource, namespace, obj, options), True
        live = at_version(resource, live)
        self._check_version_of_apply(resource, applied, live)
        obj = managed.apply(resource.node, live, applied, writer, options.force, resource.has_status)
        return self._replace(resource, live, clone(obj), options, owned=True), False

    def _check_apply_target(self, resource: Resource, namespace: str, name: str, applied: Obj) -> None:
        self._place(resource, namespace, applied["metadata"])
        given = applied["metadata"].get("name", "")
        if given and given != name:
            raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
        applied["metadata"]["name"] = name

    def _check_version_of_apply(self, resource: Resource, applied: Obj, live: Obj) -> None:
        given = applied["metadata"].get("resourceVersion", "")
        if given and given != live["metadata"]["resourceVersion"]:
            raise stale(resource.plural, resource.group, name_of(applied))

    def set_status(self, resource: Resource, obj: Obj, status: Obj) -> Obj:
        """A controller's write of ``status``; does nothing when nothing changes.

        Ownership of status fields is not recorded for the controllers, they never contend with appliers.
        """
        current = self.store.get(resource.id, namespace_of(obj), name_of(obj))
        if current is None or current.get("status") == status:
            return current if current is not None else obj
        return self.store.put(resource.id, {**current, "metadata": dict(current["metadata"]), "status": status})

    def edit(self, resource_id: str, obj: Obj, **metadata: Any) -> Obj | None:
        """A controller's change of metadata fields (None removes one) on the current object."""
        resource = self.catalog.by_id(resource_id)
        current = self.store.get(resource_id, namespace_of(obj), name_of(obj))
        if current is None or current["metadata"]["uid"] != obj["metadata"]["uid"]:
            return None
        merged = {**current["metadata"], **metadata}
        merged = {key: value for key, value in merged.items() if value is not None and value != []}
        if merged == current["metadata"]:
            return current
        stored = self.store.put(resource_id, {**current, "metadata": merged})
        self.remove_if_final(resource, stored)
        return stored


def _desired(obj: Obj) -> Obj:
    return {key: value for key, value in obj.items() if key not in ("metadata", "status")}


def at_version(resource: Resource, obj: Obj) -> Obj:
    """The object labelled with the version it was asked for at."""
    if obj.get("apiVersion") == resource.api_version:
        return obj
    return {**obj, "apiVersion": resource.api_version}
