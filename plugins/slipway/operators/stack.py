"""CloudFormation stacks, changed through change sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from slipway.catalog.paths import cloudformation_dir
from slipway.decisions.parameters import NEEDS, Facts, choose_zones, stack_parameters
from slipway.decisions.stacks import StackStep, executed_changes, next_step, planned_changes, unapproved
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.network import NetworkHook
from slipway.model.errors import ErrorClass, Problem, RefusedError, StuckError
from slipway.model.platform import Platform, Stack
from slipway.model.records import Action, Change
from slipway.model.stack import ChangeSet, LiveStack, WantedStack
from slipway.operators.converge import ConvergingOperator, Progress
from slipway.operators.links import StackLink
from slipway.triggers.cloudformation import ChangeSetTrigger, StackTrigger

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context

STACK_LIMIT = timedelta(minutes=40)
CHANGE_SET_LIMIT = timedelta(minutes=10)


def template(name: str) -> str:
    """A template of ``include/cloudformation``."""
    return (cloudformation_dir() / f"{name}.yaml").read_text()


def stack_facts(hook: CloudFormationHook, platform: Platform, stack: Stack, live: LiveStack | None) -> Facts:
    """Read what a stack's parameters depend on."""
    outputs: dict[Stack, Mapping[str, str]] = {}
    for needed in NEEDS[stack]:
        found = hook.outputs(platform, needed)
        if found is not None:
            outputs[needed] = found
    zones: list[str] = []
    if stack is Stack.NETWORK:
        zones = network_zones(platform, live)
    return Facts(outputs=outputs, zones=zones)


def network_zones(platform: Platform, live: LiveStack | None) -> list[str]:
    """Zones of the platform's network, those of the live one first."""
    present = live.parameters.get("Zones", "") if live else ""
    return choose_zones(
        platform.environment.network,
        [zone for zone in present.split(",") if zone],
        NetworkHook(platform.region).zones_with_eks(),
        where=f"include/environments/{platform.environment.name}.yaml",
    )


class StackConvergingOperator(ConvergingOperator):
    """What every task that has a stack to look after can do."""

    def plan_stack(self, hook: CloudFormationHook, platform: Platform, wanted: WantedStack) -> list[Change]:
        """Say what :meth:`ensure_stack` would do."""
        live = hook.find(wanted.name)
        step = next_step(live, wanted, platform)
        label = f"AWS::CloudFormation::Stack {wanted.name}"
        if step is StackStep.REFUSE:
            raise foreign(label, live)
        if step is StackStep.KEEP:
            return [Change(action=Action.KEEP, resource=label)]
        if step is StackStep.RECREATE:
            return [Change(action=Action.REPLACE, resource=label, note="its creation failed and left nothing")]
        if step is StackStep.STUCK:
            return [Change(action=Action.KEEP, resource=label, note=f"stuck in {live.status if live else 'no state'}")]
        return planned_changes(live, wanted)

    def ensure_stack(
        self, context: Context, platform: Platform, wanted: WantedStack, progress: Progress, short_name: str
    ) -> Mapping[str, str]:
        """Bring a stack to what is wanted, and return its outputs.

        :raises RefusedError: it is not ours, or a change would replace or remove something stateful unapproved.
        :raises StuckError: CloudFormation failed and only a person can tell why.
        """
        hook = CloudFormationHook(platform.region)
        live = hook.find(wanted.name)
        label = f"AWS::CloudFormation::Stack {wanted.name}"
        step = next_step(live, wanted, platform)
        if step is StackStep.REFUSE:
            raise foreign(label, live)
        if step is StackStep.WAIT:
            self._wait_for_stack(platform, wanted, progress)
        if live is not None and step is StackStep.STUCK:
            raise StuckError(label, live.status, hook.failures(wanted.name) or [live.reason], _mend(live.status))
        executed = f"executed {wanted.change_set}"
        if live is not None and executed in progress.done and live.status.endswith("ROLLBACK_COMPLETE"):
            raise StuckError(
                label,
                live.status,
                hook.failures(wanted.name),
                "mend what the reasons name, then clear this task",
            )
        if live is not None and step is StackStep.RECREATE:
            self.log.info("Deleting %s, whose creation failed: %s", label, "; ".join(hook.failures(wanted.name)))
            hook.delete(wanted.name)
            self._wait_for_stack(platform, wanted, progress)
        if step in {StackStep.CREATE, StackStep.UPDATE} and self._change(
            context, platform, hook, wanted, "CREATE" if step is StackStep.CREATE else "UPDATE", progress, short_name
        ):
            progress.done[executed] = ""
            self._wait_for_stack(platform, wanted, progress)
        return live.outputs if live else {}

    def _change(
        self,
        context: Context,
        platform: Platform,
        hook: CloudFormationHook,
        wanted: WantedStack,
        kind: str,
        progress: Progress,
        short_name: str,
    ) -> bool:
        """Make the change set and execute it; whether there was anything to execute."""
        found = hook.change_set(wanted.name, wanted.change_set)
        if found is not None and not (found.is_pending or found.is_ready):
            # Left over from an earlier try, failed or overtaken by another change.
            hook.delete_change_set(wanted.name, wanted.change_set)
            if found.is_empty:
                return False
            if f"failed {wanted.change_set}" in progress.done:
                raise StuckError(
                    f"change set of {wanted.name}", found.status, [found.reason], "mend what it names, clear the task"
                )
            progress.done[f"failed {wanted.change_set}"] = found.reason
            found = None
        if found is None:
            hook.create_change_set(wanted, kind)
            found = hook.change_set(wanted.name, wanted.change_set)
        if found is None or not found.is_ready:
            self.wait_for(
                progress,
                f"change set {wanted.change_set} of stack {wanted.name}",
                ChangeSetTrigger(platform.region, wanted.name, wanted.change_set),
                CHANGE_SET_LIMIT,
            )
        self._require_approval(context, hook, wanted, found, short_name)
        changes = executed_changes(wanted.name, found.changes)
        for change in changes:
            self.log.info("%s", change)
        hook.execute_change_set(wanted)
        progress.changes += changes
        return True

    def _require_approval(
        self, context: Context, hook: CloudFormationHook, wanted: WantedStack, found: ChangeSet, short_name: str
    ) -> None:
        refused = unapproved(wanted.name, found.changes, context["params"].get("approve") or [], short_name)
        if not refused:
            return
        hook.delete_change_set(wanted.name, wanted.change_set)
        names = ", ".join(f"{short_name}/{change.logical_id}" for change in refused)
        raise RefusedError(
            Problem(
                where=f"stack {wanted.name}",
                field="",
                found="; ".join(
                    f"{change.action} of {change.type} {change.logical_id}"
                    + (f", replacement: {change.replacement}" if change.replacement else "")
                    for change in refused
                ),
                allowed="no replacement or removal of what holds data or carries the network",
                mend=f"undo the change in the environment file, or run again with approve: {names}",
            )
        )

    def _wait_for_stack(self, platform: Platform, wanted: WantedStack, progress: Progress) -> NoReturn:
        self.wait_for(progress, f"stack {wanted.name}", StackTrigger(platform.region, wanted.name), STACK_LIMIT)


class StackOperator(StackConvergingOperator):
    """One of the platform's stacks.

    :param stack: which one; its template is ``include/cloudformation/<stack>.yaml``.
    """

    operator_extra_links = (StackLink(),)

    def __init__(self, *, stack: Stack, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stack = stack

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Compare template, parameters and tags."""
        hook = CloudFormationHook(platform.region)
        live = hook.find(platform.stack_name(self.stack))
        facts = stack_facts(hook, platform, self.stack, live)
        missing = [needed for needed in NEEDS[self.stack] if needed not in facts.outputs]
        if missing:
            return [self._after(platform, live, missing)]
        changes = self.plan_stack(hook, platform, self.wanted(platform, facts))
        group = live.outputs.get("DefaultSecurityGroupId") if live else None
        if group and (rules := NetworkHook(platform.region).count_rules(group)):
            changes.append(_closed(group, rules))
        return changes

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Create or update the stack."""
        StackLink.show(self, context, platform.region, stack=platform.stack_name(self.stack))
        hook = CloudFormationHook(platform.region)
        live = hook.find(platform.stack_name(self.stack)) if self.stack is Stack.NETWORK else None
        wanted = self.wanted(platform, stack_facts(hook, platform, self.stack, live))
        self.ensure_stack(context, platform, wanted, progress, self.stack.value)
        if self.stack is Stack.NETWORK:
            self.close_default_security_group(platform, progress)
        if progress.changes:
            return []
        return [Change(action=Action.KEEP, resource=f"AWS::CloudFormation::Stack {wanted.name}")]

    def wanted(self, platform: Platform, facts: Facts) -> WantedStack:
        """The stack as the environment says."""
        return WantedStack(
            name=platform.stack_name(self.stack),
            template=template(self.stack.value),
            parameters=stack_parameters(self.stack, platform, facts),
            tags=platform.tags,
        )

    def close_default_security_group(self, platform: Platform, progress: Progress) -> None:
        """Revoke the rules of the VPC's default security group, which CloudFormation cannot."""
        outputs = CloudFormationHook(platform.region).outputs(platform, Stack.NETWORK) or {}
        group = outputs["DefaultSecurityGroupId"]
        revoked = NetworkHook(platform.region).revoke_all_rules(group)
        if revoked:
            progress.changes.append(_closed(group, revoked))

    def _after(self, platform: Platform, live: LiveStack | None, missing: Sequence[Stack]) -> Change:
        names = ", ".join(platform.stack_name(stack) for stack in missing)
        return Change(
            action=Action.CREATE if live is None else Action.CHANGE,
            resource=f"AWS::CloudFormation::Stack {platform.stack_name(self.stack)}",
            note=f"after {names}",
        )


def _closed(group: str, rules: int) -> Change:
    note = f"default security group: {rules} rules revoked"
    return Change(action=Action.CHANGE, resource=f"AWS::EC2::SecurityGroup {group}", note=note)


def foreign(label: str, live: LiveStack | None) -> RefusedError:
    """A stack of this name belongs to somebody else."""
    tags = dict(live.tags) if live else {}
    return RefusedError(
        Problem(
            where=label,
            field="tags",
            found=f"a stack with tags {tags or 'none'}",
            allowed="no stack of this name, or one that carries this platform's slipway:platform tag",
            mend="rename the environment, or delete that stack yourself",
        ),
        ErrorClass.FOREIGN,
    )


def _mend(status: str) -> str:
    if status == "DELETE_FAILED":
        return "remove what holds the named resources, delete the stack in the console, then clear this task"
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            "mend what the reasons name, then: aws cloudformation continue-update-rollback --stack-name <stack>; "
            "clear this task once that is UPDATE_ROLLBACK_COMPLETE"
        )
    return "roll the stack back in the CloudFormation console, then clear this task"
