"""The admission chain in the order a kube-apiserver runs it."""

from __future__ import annotations

from rehearsal.kubernetes.admission import pod_defaults, pod_security, quota
from rehearsal.kubernetes.errors import forbidden, not_found
from rehearsal.kubernetes.objects import Obj, is_deleting, name_of
from rehearsal.kubernetes.resources import Resource
from rehearsal.kubernetes.rest.options import WriteOptions
from rehearsal.kubernetes.store import Store


class Admission:
    """NamespaceLifecycle, ServiceAccount, Priority, LimitRanger, PodSecurity and ResourceQuota."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check_namespace(self, resource: Resource, namespace: str, obj: Obj) -> None:
        """NamespaceLifecycle for creations.

        :raises ApiError: 404 when the namespace is absent, 403 while it is being deleted.
        """
        if not resource.namespaced or resource.virtual:
            return
        found = self._store.get("namespaces", "", namespace)
        if found is None:
            raise not_found("namespaces", "", namespace)
        if is_deleting(found):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = forbidden(resource.plural, resource.group, name_of(obj), why)
            error.details["causes"] = [
                {
                    "reason": "NamespaceTerminating",
                    "message": f"namespace {namespace} is being terminated",
                    "field": "metadata.namespace",
                }
            ]
            raise error

    def mutate(self, resource: Resource, obj: Obj, options: WriteOptions, old: Obj | None = None) -> None:
        """Change ``obj`` in place before it is validated.

        :raises ApiError: 403 when something a pod refers to is missing.
        """
        if resource.id == "pods" and old is None:
            pod_defaults.admit(self._store, obj)
        elif resource.id == "persistentvolumeclaims" and old is None:
            pod_defaults.default_storage_class(self._store, obj)

    def validate(self, resource: Resource, obj: Obj, old: Obj | None, options: WriteOptions) -> None:
        """Refuse what policy forbids; may add warnings to ``options``.

        :raises ApiError: 403.
        """
        if options.subresource:
            return
        pod_security.admit(self._store, resource, obj, old, options)
        if old is None:
            quota.admit(self._store, resource, obj)
