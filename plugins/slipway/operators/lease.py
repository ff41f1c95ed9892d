"""Taking and giving back a platform's lease."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from slipway.decisions.parameters import Facts, stack_parameters
from slipway.hooks.aws import explained
from slipway.hooks.cloudformation import CloudFormationHook
from slipway.hooks.lease import LeaseHook
from slipway.model.platform import Platform, Stack
from slipway.model.records import Action, Change
from slipway.model.stack import WantedStack
from slipway.operators.base import FINAL_ERRORS, is_plan, platform_of
from slipway.operators.converge import Progress
from slipway.operators.links import StackLink
from slipway.operators.stack import StackConvergingOperator, template

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


class AcquireLeaseOperator(StackConvergingOperator):
    """Makes sure that the platform has its artefact bucket, and takes the lease that lies in it.

    The bucket's stack is made without the lease: two runs that make it at once ask for the same change set, and
    CloudFormation executes it once. It is changed later only under the lease.
    """

    operator_extra_links = (StackLink(),)

    def plan(self, context: Context, platform: Platform) -> Sequence[Change]:
        """Say whether the artefact bucket would be made or changed; a plan takes no lease."""
        return self.plan_stack(CloudFormationHook(platform.region), platform, self.wanted(platform))

    def converge(self, context: Context, platform: Platform, progress: Progress) -> Sequence[Change]:
        """Take the lease as soon as there is a bucket, then look after the stack."""
        wanted = self.wanted(platform)
        StackLink.show(self, context, platform.region, stack=wanted.name)
        run = context["dag_run"]
        hook = CloudFormationHook(platform.region)
        has_bucket = bool((hook.outputs(platform, Stack.STATE) or {}).get("BucketName"))
        if has_bucket:
            LeaseHook(platform).acquire(run.run_id, run.dag_id)
        self.ensure_stack(context, platform, wanted, progress, Stack.STATE.value)
        lease = LeaseHook(platform).acquire(run.run_id, run.dag_id)
        self.log.info("%s in %s is held by %s", platform.name, platform.region, lease)
        if progress.changes:
            return []
        return [Change(action=Action.KEEP, resource=f"AWS::CloudFormation::Stack {wanted.name}")]

    def hold_lease(self, context: Context, platform: Platform) -> None:
        """Nothing to hold yet."""

    @staticmethod
    def wanted(platform: Platform) -> WantedStack:
        """The stack of the artefact bucket."""
        return WantedStack(
            name=platform.stack_name(Stack.STATE),
            template=template(Stack.STATE.value),
            parameters=stack_parameters(Stack.STATE, platform, Facts(outputs={})),
            tags=platform.tags,
        )


class ReleaseLeaseOperator(BaseOperator):
    """Gives the lease back, whatever became of the run. A run that holds no lease changes nothing."""

    def execute(self, context: Context) -> Any:
        """Release the lease unless the run only plans."""
        try:
            platform = platform_of(context)
            if is_plan(context):
                self.log.info("A plan takes no lease")
                return
            run = context["dag_run"]
            with explained():
                released = LeaseHook(platform).release(run.run_id, run.dag_id)
        except FINAL_ERRORS as error:
            raise AirflowFailException(str(error)) from error
        self.log.info("Lease on %s %s", platform.name, "released" if released else "was not this run's")
