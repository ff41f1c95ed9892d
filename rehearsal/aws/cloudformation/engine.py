"""Working off a stack's operation: steps in dependency order, each taking its time, rolled back on failure.

Nothing runs in the background. :func:`advance` works an operation off up to ``now`` when somebody looks, with
events dated when they would have happened; so a stack survives a restart in the middle of its creation, and a
test can turn the clock.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Collection, Mapping

from botocore.exceptions import BotoCoreError, ClientError
from moto.core.exceptions import ServiceException

from rehearsal.aws.cloudformation import durations, schemas
from rehearsal.aws.cloudformation.errors import ResourceFailed
from rehearsal.aws.cloudformation.model import Operation, Resource, Stack, Step
from rehearsal.aws.cloudformation.scope import StackScope, outputs_of, properties_of, template_of
from rehearsal.aws.cloudformation.template import Template
from rehearsal.aws.cloudformation.types import handler as handler_of
from rehearsal.aws.cloudformation.types.base import Context

_LOG = logging.getLogger(__name__)
_EXPECTED = (BotoCoreError, ServiceException, ResourceFailed)
_APPLYING = {"CREATE", "UPDATE", "UPDATE_ROLLBACK"}  # the other kinds only delete


def start_create(stack: Stack, moment: float, speed: float) -> None:
    """Begin to make every resource of ``stack``."""
    stack.record(moment, "CREATE_IN_PROGRESS", "User Initiated")
    stack.operation = Operation("CREATE", moment, speed, steps=_apply_steps(_template(stack)))


def start_update(stack: Stack, previous: Stack, moment: float, speed: float) -> None:
    """Begin to bring ``stack`` (with its new template, parameters and tags) about.

    :param previous: the stack as it was, for a rollback.
    """
    stack.updated = moment
    stack.record(moment, "UPDATE_IN_PROGRESS", "User Initiated")
    template = _template(stack)
    operation = Operation("UPDATE", moment, speed, steps=_apply_steps(template), previous=previous)
    operation.leftovers = [resource for name, resource in stack.resources.items() if name not in template.resources]
    stack.operation = operation


def start_delete(stack: Stack, moment: float, speed: float, retain: set[str]) -> None:
    """Begin to delete every resource of ``stack`` that its DeletionPolicy does not keep."""
    stack.record(moment, "DELETE_IN_PROGRESS", "User Initiated")
    stack.operation = Operation("DELETE", moment, speed)
    stack.operation.steps = _delete_steps(stack, list(stack.resources.values()), moment, retain)


def advance(stack: Stack, now: float) -> None:
    """Work off what is due by ``now``."""
    while stack.operation is not None:
        operation = stack.operation
        _start_ready(stack, operation)
        if stack.operation is not operation:
            continue
        running = [step for step in operation.steps.values() if step.finish is not None]
        if not running:
            _finish(stack, operation)
            continue
        first = min(running, key=lambda step: step.finish or 0.0)
        if first.finish is None or first.finish > now:
            return
        operation.moment = first.finish
        _complete(stack, operation, first)


def _template(stack: Stack) -> Template:
    return template_of(stack, stack.body, stack.parameters)


def _apply_steps(template: Template) -> dict[str, Step]:
    return {name: Step("apply", name, template.needs(name)) for name in template.resources}


def _delete_steps(stack: Stack, doomed: list[Resource], moment: float, retain: set[str]) -> dict[str, Step]:
    """Steps that delete ``doomed``, what needs a resource before the resource itself."""
    going = []
    for resource in doomed:
        rolling_back = stack.operation is not None and stack.operation.kind == "ROLLBACK"
        kept = resource.deletion_policy == "Retain" or (
            resource.deletion_policy == "RetainExceptOnCreate" and not rolling_back
        )
        if resource.status == "DELETE_COMPLETE" or resource.physical_id is None:
            continue
        if kept or resource.logical_id in retain:
            stack.note(moment, resource, "DELETE_SKIPPED")
        else:
            going.append(resource)
    return {
        _key(resource): Step(
            "delete",
            resource.logical_id,
            {_key(other) for other in going if resource.logical_id in other.needs and other is not resource},
            resource,
        )
        for resource in going
    }


def _key(resource: Resource) -> str:
    return f"{resource.logical_id}/{resource.physical_id}"


def _start_ready(stack: Stack, operation: Operation) -> None:
    """Start every step whose needs are met; an unchanged resource is over at once and may free others."""
    stops = operation.kind in _APPLYING
    progress = True
    while progress:
        progress = False
        for key, step in list(operation.steps.items()):
            if step.finish is not None or step.needs & operation.steps.keys() or (stops and operation.failed):
                continue
            progress = True
            if not _start(stack, operation, step):
                del operation.steps[key]
    if operation.failed and stops:
        _fail(stack, operation)


def _start(stack: Stack, operation: Operation, step: Step) -> bool:
    """Begin one step; ``False`` when it is over already."""
    if step.action == "delete" and step.resource is not None:
        stack.note(operation.moment, step.resource, "DELETE_IN_PROGRESS")
        wait = durations.seconds(step.resource.type, step.resource.properties, deleting=True)
        step.finish = operation.moment + wait / operation.speed
        return True
    try:
        if step.action == "restore" and step.resource is not None:
            return _restore(stack, operation, step, step.resource)
        return _apply(stack, operation, step)
    except Exception as error:  # whatever a handler meets fails its resource, not the server
        _note_failure(stack, operation, step.logical_id, _reason(error))
        return False


def _apply(stack: Stack, operation: Operation, step: Step) -> bool:
    template = _template(stack)
    declared = template.resources[step.logical_id]
    resource = stack.resources.get(step.logical_id)
    policies = {
        "deletion_policy": declared.get("DeletionPolicy", "Delete"),
        "replace_policy": declared.get("UpdateReplacePolicy", "Delete"),
    }
    if resource is None:
        resource = Resource(step.logical_id, declared["Type"], "", operation.moment, needs=step.needs, **policies)
        stack.resources[step.logical_id] = resource
        stack.note(operation.moment, resource, "CREATE_IN_PROGRESS")
        _make(stack, operation, template, resource)
    else:
        wanted = properties_of(template, StackScope(template, stack), step.logical_id, stack.tags)
        changed = changed_properties(resource.properties, wanted)
        resource.deletion_policy, resource.replace_policy = policies["deletion_policy"], policies["replace_policy"]
        if not changed:
            return False
        stack.note(operation.moment, resource, "UPDATE_IN_PROGRESS")
        if schemas.replacement(resource.type, changed, resource.properties, wanted) == "True":
            resource = _replace(stack, operation, template, resource, step.needs, changed)
        else:
            handler = handler_of(resource.type)
            made = handler.update(context_of(stack, resource), str(resource.physical_id), resource.properties, wanted)
            resource.properties, resource.attributes = wanted, made.attributes
    step.finish = operation.moment + durations.seconds(resource.type, resource.properties) / operation.speed
    return True


def _make(stack: Stack, operation: Operation, template: Template, resource: Resource) -> None:
    resource.properties = properties_of(template, StackScope(template, stack), resource.logical_id, stack.tags)
    made = handler_of(resource.type).create(context_of(stack, resource), resource.properties)
    resource.physical_id, resource.attributes = made.physical_id, made.attributes
    stack.note(operation.moment, resource, "CREATE_IN_PROGRESS", "Resource creation Initiated")


def _replace(
    stack: Stack, operation: Operation, template: Template, old: Resource, needs: set[str], changed: set[str]
) -> Resource:
    name = schemas.custom_name_property(old.type)
    if name in old.properties and name not in changed:
        raise ResourceFailed(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
            f"Rename {old.properties[name]} and update the stack again."
        )
    stack.note(
        operation.moment, old, "UPDATE_IN_PROGRESS",
        "Requested update requires the creation of a new physical resource; hence creating one.",
    )  # fmt: skip
    new = Resource(
        old.logical_id, old.type, old.status, operation.moment, needs=needs,
        deletion_policy=old.deletion_policy, replace_policy=old.replace_policy,
    )  # fmt: skip
    _make(stack, operation, template, new)
    new.status = "UPDATE_IN_PROGRESS"
    stack.resources[old.logical_id] = new
    old.deletion_policy = old.replace_policy
    operation.leftovers.append(old)
    return new


def _restore(stack: Stack, operation: Operation, step: Step, before: Resource) -> bool:
    """Bring one resource back to what it was before a failed update."""
    now = stack.resources.get(step.logical_id)
    if now is None or now.physical_id != before.physical_id:
        if now is not None and now.physical_id is not None:
            now.deletion_policy = "Delete"
            operation.leftovers.append(now)
        stack.resources[step.logical_id] = before
        return False
    if now.status == "UPDATE_FAILED" or changed_properties(now.properties, before.properties):
        stack.note(operation.moment, now, "UPDATE_IN_PROGRESS")
        made = handler_of(now.type).update(
            context_of(stack, now), str(now.physical_id), now.properties, before.properties
        )
        now.properties, now.attributes = before.properties, made.attributes
        step.finish = operation.moment + durations.seconds(now.type, now.properties) / operation.speed
        return True
    return False


def _complete(stack: Stack, operation: Operation, step: Step) -> None:
    key = next(key for key, candidate in operation.steps.items() if candidate is step)
    del operation.steps[key]
    if step.action != "delete" or step.resource is None:
        resource = stack.resources[step.logical_id]
        done = "CREATE_COMPLETE" if resource.status.startswith("CREATE") else "UPDATE_COMPLETE"
        stack.note(operation.moment, resource, done)
        return
    resource = step.resource
    try:
        handler_of(resource.type).delete(context_of(stack, resource), str(resource.physical_id), resource.properties)
    except Exception as error:  # whatever a handler meets fails its resource, not the server
        stack.note(operation.moment, resource, "DELETE_FAILED", _reason(error))
        operation.failed.append(resource.logical_id)
        # What it needs cannot go either; the rest of the stack still can.
        _drop_blocked(operation, key)
        return
    stack.note(operation.moment, resource, "DELETE_COMPLETE")


def _drop_blocked(operation: Operation, blocker: str) -> None:
    for key in [key for key, step in operation.steps.items() if blocker in step.needs]:
        if key in operation.steps:
            del operation.steps[key]
            _drop_blocked(operation, key)


def _note_failure(stack: Stack, operation: Operation, logical_id: str, reason: str) -> None:
    resource = stack.resources[logical_id]
    verb = "CREATE" if resource.status.startswith("CREATE") else "UPDATE"
    stack.note(operation.moment, resource, f"{verb}_FAILED", reason)
    operation.failed.append(logical_id)


def _fail(stack: Stack, operation: Operation) -> None:
    """Stop a create, update or rollback at its first failure and begin what follows from it."""
    for step in operation.steps.values():
        if step.finish is not None:
            resource = stack.resources[step.logical_id]
            verb = "CREATE" if resource.status.startswith("CREATE") else "UPDATE"
            stack.note(operation.moment, resource, f"{verb}_FAILED", f"Resource {verb.lower()} cancelled")
    names = ", ".join(operation.failed)
    if operation.kind == "CREATE":
        _roll_creation_back(stack, operation, f"The following resource(s) failed to create: [{names}]. ")
    elif operation.kind == "UPDATE" and operation.previous is not None:
        _roll_update_back(stack, operation, f"The following resource(s) failed to update: [{names}]. ")
    else:
        reason = f"The following resource(s) failed to update: [{names}]. "
        stack.record(operation.moment, f"{operation.kind}_FAILED", reason)
        stack.before, stack.operation = operation.previous, None


def _roll_creation_back(stack: Stack, operation: Operation, reason: str) -> None:
    if stack.on_failure == "DO_NOTHING":
        stack.record(operation.moment, "CREATE_FAILED", reason)
        stack.operation = None
        return
    kind = "DELETE" if stack.on_failure == "DELETE" else "ROLLBACK"
    asked = "Delete requested by user." if kind == "DELETE" else "Rollback requested by user."
    stack.record(operation.moment, f"{kind}_IN_PROGRESS", reason + asked)
    stack.operation = Operation(kind, operation.moment, operation.speed)
    stack.operation.steps = _delete_steps(stack, list(stack.resources.values()), operation.moment, set())


def _roll_update_back(stack: Stack, operation: Operation, reason: str) -> None:
    before = operation.previous
    if before is None:
        raise RuntimeError(f"stack {stack.name}: an update keeps the stack as it was; this one did not")
    stack.body, stack.parameters, stack.tags = before.body, before.parameters, before.tags
    stack.description, stack.outputs = before.description, before.outputs
    start_rollback(stack, before, operation.moment, operation.speed, reason)


def start_rollback(
    stack: Stack, before: Stack, moment: float, speed: float, reason: str, skip: Collection[str] = ()
) -> None:
    """Begin to bring ``stack`` back to what it was ``before`` a failed update.

    :param skip: logical ids to leave as they are.
    """
    stack.record(moment, "UPDATE_ROLLBACK_IN_PROGRESS", reason)
    back = Operation("UPDATE_ROLLBACK", moment, speed, previous=before)
    back.steps = {
        name: Step("restore", name, resource.needs & before.resources.keys() - set(skip), resource)
        for name, resource in before.resources.items()
        if name not in skip
    }
    for name in [name for name in stack.resources if name not in before.resources]:
        added = stack.resources.pop(name)
        added.deletion_policy = "Delete"
        back.leftovers.append(added)
    stack.operation = back


def _finish(stack: Stack, operation: Operation) -> None:
    """All steps are done: the operation's last status, or the clean-up before it."""
    moment = operation.moment
    stack.operation, stack.before = None, None
    if operation.kind == "CREATE":
        stack.outputs = outputs_of(_template(stack), stack)
        stack.record(moment, "CREATE_COMPLETE")
    elif operation.kind in ("UPDATE", "UPDATE_ROLLBACK"):
        if operation.kind == "UPDATE":
            stack.outputs = outputs_of(_template(stack), stack)
        for resource in operation.leftovers:
            if stack.resources.get(resource.logical_id) is resource:
                del stack.resources[resource.logical_id]
        stack.record(moment, f"{operation.kind}_COMPLETE_CLEANUP_IN_PROGRESS")
        cleanup = Operation(f"{operation.kind}_COMPLETE", moment, operation.speed)
        cleanup.steps = _delete_steps(stack, operation.leftovers, moment, set())
        stack.operation = cleanup
    elif operation.kind in ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"):
        # AWS completes an update even if the clean-up could not delete something; the events name it.
        stack.record(moment, operation.kind)
    elif operation.failed:
        names = ", ".join(operation.failed)
        stack.record(moment, f"{operation.kind}_FAILED", f"The following resource(s) failed to delete: [{names}]. ")
    else:
        stack.record(moment, f"{operation.kind}_COMPLETE")
        if operation.kind == "DELETE":
            stack.deleted = moment


def changed_properties(old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    """Names of the top-level properties that differ."""
    return {name for name in {*old, *new} if old.get(name) != new.get(name)}


def snapshot(stack: Stack) -> Stack:
    """``stack`` as it is now, for a rollback; without its history."""
    bare = copy.copy(stack)
    bare.events, bare.change_sets, bare.operation = [], {}, None
    return copy.deepcopy(bare)


def context_of(stack: Stack, resource: Resource) -> Context:
    """Whose resource a handler works on."""
    return Context(stack.name, stack.id, resource.logical_id, resource.type, stack.region, stack.account)


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        said, meta = error.response["Error"], error.response["ResponseMetadata"]
        status, request = meta.get("HTTPStatusCode", 400), meta.get("RequestId", "none")
        return f"{said['Message']} (Error Code: {said['Code']}; Status Code: {status}; Request ID: {request})"
    if isinstance(error, _EXPECTED):
        return str(error)
    _LOG.error("a resource handler failed unexpectedly", exc_info=error)
    return f"Internal Failure: {type(error).__name__}: {error}"
