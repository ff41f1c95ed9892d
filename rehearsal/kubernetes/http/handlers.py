"""What each verb and subresource does with a call."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rehearsal.kubernetes import selectors
from rehearsal.kubernetes.errors import ApiError, bad_request, method_not_allowed
from rehearsal.kubernetes.http import logs, reviews
from rehearsal.kubernetes.http.encoding import json_response, list_response, object_response
from rehearsal.kubernetes.http.requests import Call, read_body
from rehearsal.kubernetes.http.shutdown import Shutdown
from rehearsal.kubernetes.http.watch import Watch
from rehearsal.kubernetes.media import APPLY
from rehearsal.kubernetes.objects import Obj, labels_of, name_of, namespace_of
from rehearsal.kubernetes.prometheus import api
from rehearsal.kubernetes.rest import subresources
from rehearsal.kubernetes.rest.deletion import delete
from rehearsal.kubernetes.rest.options import DeleteOptions
from rehearsal.kubernetes.rest.registry import at_version

if TYPE_CHECKING:
    from rehearsal.kubernetes.cluster import Cluster

_STREAMS = ("exec", "attach", "portforward", "proxy")


class Handlers:
    """Verbs of one cluster's API."""

    def __init__(self, cluster: Cluster, shutdown: Shutdown) -> None:
        self._cluster = cluster
        self._shutdown = shutdown

    async def handle(self, call: Call, request: Request) -> Response:
        """The answer to an authorized call.

        :raises ApiError: for every answer other than success.
        """
        if call.subresource and call.subresource != "status":
            return await self._subresource(call, request)
        if call.resource.virtual:
            return json_response(reviews.answer(self._cluster, call, await read_body(request)), 201)
        match call.verb:
            case "get":
                obj = self._cluster.registry.get(call.resource, call.namespace, call.name)
                return object_response(call, obj)
            case "list":
                return self._list(call)
            case "watch":
                return self._watch(call)
            case "create":
                return self._create(call, await read_body(request))
            case "update":
                body, options = await read_body(request), call.write_options()
                obj = self._cluster.registry.update(call.resource, call.namespace, call.name, body, options)
                return object_response(call, obj)
            case "patch":
                return self._patch(call, await read_body(request))
            case "delete":
                return self._delete(call, await read_body(request, accept_empty=True))
            case _:
                return self._delete_collection(call, await read_body(request, accept_empty=True))

    def _create(self, call: Call, body: Any) -> Response:
        obj = self._cluster.registry.create(call.resource, call.namespace, body, call.write_options())
        return object_response(call, obj, 201)

    def _patch(self, call: Call, body: Any) -> Response:
        call.check_patch(applies=call.content_type == APPLY)
        obj, created = self._cluster.registry.patch(
            call.resource, call.namespace, call.name, call.content_type, body, call.write_options()
        )
        return object_response(call, obj, 201 if created else 200)

    def _delete(self, call: Call, body: Any) -> Response:
        options = _delete_options(call, body)
        obj = delete(self._cluster.registry, call.resource, call.namespace, call.name, options)
        return object_response(call, obj)

    def _delete_collection(self, call: Call, body: Any) -> Response:
        options = _delete_options(call, body)
        chosen = self._matching(call)
        for obj in chosen:
            delete(self._cluster.registry, call.resource, namespace_of(obj), name_of(obj), options)
        return list_response(call, chosen, {"resourceVersion": str(self._cluster.store.revision)})

    def _matches(self, call: Call) -> Callable[[Obj], bool]:
        labels = selectors.parse_labels(call.query.get("labelSelector", ""))
        allowed = call.resource.selectable | {"metadata.name", "metadata.namespace"}
        fields = selectors.parse_fields(call.query.get("fieldSelector", ""), allowed)
        if call.name:
            return lambda obj: name_of(obj) == call.name
        return lambda obj: labels(labels_of(obj)) and fields(obj)

    def _matching(self, call: Call) -> list[Obj]:
        matches = self._matches(call)
        found = self._cluster.store.objects(call.resource.id, call.namespace)
        return [at_version(call.resource, obj) for obj in found if matches(obj)]

    def _list(self, call: Call) -> Response:
        metadata: Obj = {"resourceVersion": str(self._cluster.store.revision)}
        items = self._matching(call)
        token = call.query.get("continue", "")
        if token:
            after, metadata["resourceVersion"] = _continue_from(token)
            items = [item for item in items if [namespace_of(item), name_of(item)] > after]
        limit = int(call.query.get("limit") or 0)
        if limit and len(items) > limit:
            metadata["remainingItemCount"] = len(items) - limit
            items = items[:limit]
            position = [metadata["resourceVersion"], namespace_of(items[-1]), name_of(items[-1])]
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps(position).encode()).decode()
        return list_response(call, items, metadata)

    def _watch(self, call: Call) -> Response:
        watch = Watch(self._cluster.store, call, self._matches(call), self._shutdown)
        return StreamingResponse(watch.lines(), media_type="application/json")

    async def _subresource(self, call: Call, request: Request) -> Response:
        registry = self._cluster.registry
        match call.subresource:
            case "scale":
                return await self._scale(call, request)
            case "log":
                return logs.respond(self._cluster, call, self._shutdown)
            case "eviction":
                body = await read_body(request)
                options = _delete_options(call, body.get("deleteOptions") or {})
                return json_response(subresources.evict(registry, call.namespace, call.name, options), 201)
            case "binding":
                target = (await read_body(request)).get("target") or {}
                if not call.dry_run:
                    subresources.bind(registry, call.namespace, call.name, target.get("name", ""))
                return json_response({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 201)
            case "token":
                return json_response(reviews.token(self._cluster, call, await read_body(request)), 201)
            case "finalize":
                body = await read_body(request)
                return json_response(subresources.finalize_namespace(registry, call.name, body, call.write_options()))
            case "proxy" if call.resource.id == "services" and api.serves(call.namespace, call.name):
                return self._prometheus(call, request)
            case name if name in _STREAMS:
                text = f"pods/{name} is not offered by the rehearsal: its containers are not run"
                raise ApiError(501, "NotImplemented", text)
            case name:
                raise method_not_allowed()

    def _prometheus(self, call: Call, request: Request) -> Response:
        if call.verb != "get":
            raise method_not_allowed()
        path = request.url.path.partition("/proxy")[2].strip("/")
        return api.answer(self._cluster, path, call.query)

    async def _scale(self, call: Call, request: Request) -> Response:
        registry = self._cluster.registry
        if call.verb == "get":
            obj = registry.get(call.resource, call.namespace, call.name)
            return json_response(subresources.scale_of(call.resource, obj))
        body = await read_body(request)
        patch = call.content_type if call.verb == "patch" else ""
        scale = subresources.write_scale(
            registry, call.resource, call.namespace, call.name, body, patch, call.write_options()
        )
        return json_response(scale)


def _delete_options(call: Call, body: Any) -> DeleteOptions:
    if not isinstance(body, dict):
        raise bad_request("the body is not DeleteOptions")
    options = DeleteOptions.parse(body)
    options.dry_run = options.dry_run or call.dry_run
    if "gracePeriodSeconds" in call.query:
        options.grace_seconds = int(call.query["gracePeriodSeconds"])
    if call.query.get("propagationPolicy"):
        options.propagation = call.query["propagationPolicy"]
    if options.propagation not in (None, "Background", "Foreground", "Orphan"):
        raise bad_request(
            f'propagationPolicy: Unsupported value: "{options.propagation}": supported values: "Foreground", '
            '"Background", "Orphan"'
        )
    return options


def _continue_from(token: str) -> tuple[list[str], str]:
    try:
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise bad_request("continue key is not valid") from error
    return [namespace, name], revision
