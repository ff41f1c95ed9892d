"""What to do about a CloudFormation stack, and what a change set may do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum

from slipway.decisions import templates
from slipway.model.platform import Platform
from slipway.model.records import Action, Change
from slipway.model.stack import CHANGE_SET_PREFIX, LiveStack, ResourceChange, WantedStack

# What is lost, or cuts the platform off, when it is replaced or removed.
STATEFUL_TYPES = frozenset(
    {
        "AWS::CloudTrail::Trail",
        "AWS::EC2::EIP",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::NatGateway",
        "AWS::EC2::Subnet",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::ECR::Repository",
        "AWS::EFS::FileSystem",
        "AWS::KMS::Key",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SecretsManager::Secret",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
    }
)


class StackStep(StrEnum):
    """The next thing to do about a stack."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    WAIT = "wait"
    RECREATE = "recreate"
    STUCK = "stuck"
    REFUSE = "refuse"


# A stack that never existed properly: CloudFormation allows nothing but deleting it.
_NEVER_CREATED = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
_STUCK = frozenset({"DELETE_FAILED", "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED", "IMPORT_ROLLBACK_FAILED"})


def next_step(live: LiveStack | None, wanted: WantedStack, platform: Platform) -> StackStep:
    """Say what comes next.

    A stack under review carries no resources; it is ours by its tags or because nobody else's change set is in it.
    """
    if live is None or live.status == "DELETE_COMPLETE":
        return StackStep.CREATE
    if live.status == "REVIEW_IN_PROGRESS":
        foreign = [name for name in live.change_sets if not name.startswith(CHANGE_SET_PREFIX)]
        return StackStep.CREATE if platform.is_ours(dict(live.tags)) or not foreign else StackStep.REFUSE
    if not platform.is_ours(dict(live.tags)):
        return StackStep.REFUSE
    if live.status.endswith("_IN_PROGRESS"):
        return StackStep.WAIT
    if live.status in _NEVER_CREATED:
        return StackStep.RECREATE
    if live.status in _STUCK:
        return StackStep.STUCK
    return StackStep.UPDATE if differs(live, wanted) else StackStep.KEEP


def differs(live: LiveStack, wanted: WantedStack) -> bool:
    """Whether template, parameters or tags mean something else than what is there."""
    return (
        changed_parameters(live, wanted) != []
        or dict(live.tags) != dict(wanted.tags)
        or (live.template != wanted.template and templates.meaning(live.template) != templates.meaning(wanted.template))
    )


def changed_parameters(live: LiveStack, wanted: WantedStack) -> list[str]:
    """Names of parameters whose value would change; dropped ones do not count."""
    values = {**templates.defaults(wanted.template), **wanted.parameters}
    present = {**(templates.defaults(live.template) if live.template else {}), **live.parameters}
    return sorted(name for name, value in values.items() if present.get(name) != value)


def planned_changes(live: LiveStack | None, wanted: WantedStack) -> list[Change]:
    """Say which resources an update would touch, from the templates and parameters alone.

    CloudFormation decides about replacement only in a change set, which a plan does not make.
    """
    new = templates.meaning(wanted.template)["Resources"]
    if live is None or not live.template:
        return [Change(action=Action.CREATE, resource=f"AWS::CloudFormation::Stack {wanted.name}")]
    old = templates.meaning(live.template)["Resources"]
    parameters = set(changed_parameters(live, wanted))
    conditions = {
        name
        for name, rule in (templates.parse(wanted.template).get("Conditions") or {}).items()
        if templates.references(rule) & parameters
    }
    changes = []
    for name, resource in new.items():
        label = f"{resource['Type']} {wanted.name}/{name}"
        if name not in old:
            changes.append(Change(action=Action.CREATE, resource=label))
        elif old[name] != resource:
            changes.append(Change(action=Action.CHANGE, resource=label, fields=_fields(old[name], resource)))
        elif touched := sorted(templates.references(resource) & (parameters | conditions)):
            note = f"by {', '.join(touched)}"
            changes.append(Change(action=Action.CHANGE, resource=label, note=note))
        else:
            changes.append(Change(action=Action.KEEP, resource=label))
    changes += [
        Change(action=Action.DELETE, resource=f"{resource['Type']} {wanted.name}/{name}")
        for name, resource in old.items()
        if name not in new
    ]
    if dict(live.tags) != dict(wanted.tags):
        keys = sorted(key for key, _ in dict(live.tags).items() ^ dict(wanted.tags).items())
        changes.append(
            Change(
                action=Action.CHANGE,
                resource=f"AWS::CloudFormation::Stack {wanted.name}",
                fields=sorted({f"tags.{key}" for key in keys}),
            )
        )
    return changes


def executed_changes(stack: str, changes: Sequence[ResourceChange]) -> list[Change]:
    """A change set as changes to report."""
    return [
        Change(
            action=_action(change),
            resource=f"{change.type} {stack}/{change.logical_id}",
            fields=list(change.fields),
            note="may be replaced" if change.replacement == "Conditional" else "",
        )
        for change in changes
    ]


def unapproved(
    stack: str, changes: Sequence[ResourceChange], approved: Collection[str], short_name: str = ""
) -> list[ResourceChange]:
    """Changes that would replace or remove something stateful without the run's approval.

    :param approved: ``<stack>/<logical id>``, with the stack's full or short name.
    """
    return [
        change
        for change in changes
        if change.type in STATEFUL_TYPES
        and (change.action in {"Remove", "Dynamic"} or change.replacement in {"True", "Conditional"})
        and not {f"{stack}/{change.logical_id}", f"{short_name}/{change.logical_id}"} & set(approved)
    ]


def _action(change: ResourceChange) -> Action:
    if change.action == "Remove":
        return Action.DELETE
    if change.action in {"Add", "Import"}:
        return Action.CREATE
    return Action.REPLACE if change.replacement == "True" else Action.CHANGE


def _fields(old: dict[str, object], new: dict[str, object]) -> list[str]:
    """Dotted names, two levels deep, of what differs between two resources."""
    fields = []
    for key in sorted(set(old) | set(new)):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            fields += [f"{key}.{sub}" for sub in sorted(set(before) | set(after)) if before.get(sub) != after.get(sub)]
        else:
            fields.append(key)
    return fields
