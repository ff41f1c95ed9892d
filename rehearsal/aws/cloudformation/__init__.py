"""CloudFormation for the rehearsal: stacks, change sets, events, rollback and drift over moto's resources.

moto's own engine makes a stack in one go, has no rollback, leaves a failed stack in CREATE_IN_PROGRESS, reports
DELETE_COMPLETE while a foreign network interface holds a subnet, and lists change sets without replacement. This
one is small because everything it makes goes through the AWS APIs that moto already answers:

================  ========================================================================================
``template``      YAML, parameters, conditions, rules          ``intrinsics``  Ref, Fn::Sub, Fn::If, ...
``schemas``       AWS's published resource schemas: what replaces a resource, what Fn::GetAtt offers
``engine``        an operation as steps in dependency order, each with its duration, rolled back on failure
``changes``       what a change set would do                   ``drift``       expected and actual
``types``         one handler for each resource type
``service``       the API's behaviour                          ``responses``   the API's shapes
================  ========================================================================================

What it does not do: nested stacks, macros and transforms, stack policies, imports, exports across stacks, hooks,
custom resources. A template that uses one of them is refused by name, never half obeyed.
"""

from __future__ import annotations

from rehearsal.aws.cloudformation.settings import SETTINGS, Judge


def install(speed: float | None = None, judge: Judge | None = None) -> None:
    """Put this CloudFormation in the place of moto's. Call it before moto's server application is made.

    :param speed: how many times faster than AWS stacks proceed; ``REHEARSAL_SPEED``, or 60, when absent.
    :param judge: says what stacks may do; everything when absent.
    """
    from moto.cloudformation import urls
    from moto.core.config import default_user_config

    from rehearsal.aws.cloudformation.responses import Response

    if speed is not None:
        SETTINGS.speed = speed
    SETTINGS.judge = judge
    urls.url_paths["{0}/$"] = Response.dispatch
    # Roles attach AWS's managed policies (AmazonEKSClusterPolicy, ...), which moto loads only when told to.
    default_user_config["iam"]["load_aws_managed_policies"] = True


__all__ = ["install"]
