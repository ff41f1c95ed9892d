"""Links from tasks to the AWS console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.context import Context

# The console's domain by the region's prefix; commercial regions share one.
_DOMAINS = {"cn-": "amazonaws.cn", "us-gov-": "amazonaws-us-gov.com"}


def console(region: str) -> str:
    """Address of the AWS console for a region, without a trailing slash."""
    domain = next((name for prefix, name in _DOMAINS.items() if region.startswith(prefix)), "aws.amazon.com")
    return f"https://{region}.console.{domain}"


class ConsoleLink(BaseOperatorLink):
    """A link to what the task is about, there from the first wait on.

    Airflow asks for links when a task ends, which may be an hour after its first step, and shows what it finds in
    the link's XCom. So the task puts the address there itself, early.
    """

    path: ClassVar[str]

    @classmethod
    def show(cls, operator: BaseOperator, context: Context, region: str, **names: str) -> None:
        """Make the link lead somewhere.

        :param names: what ``path`` names.
        """
        address = cls.address(region, **names)
        operator.__dict__.setdefault("console_addresses", {})[cls.__name__] = address
        context["ti"].xcom_push(key=cls().xcom_key, value=address)

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address; empty when the task did not get to its subject."""
        return str(getattr(operator, "console_addresses", {}).get(type(self).__name__, ""))

    @classmethod
    def address(cls, region: str, **names: str) -> str:
        """The address in the console."""
        values = {key: quote(value, safe="") for key, value in names.items()}
        return console(region) + cls.path.format(region=region, **values)


class StackLink(ConsoleLink):
    """The stack in the CloudFormation console."""

    name = "CloudFormation stack"
    path = "/cloudformation/home?region={region}#/stacks?filteringText={stack}"


class ClusterLink(ConsoleLink):
    """The cluster in the EKS console."""

    name = "EKS cluster"
    path = "/eks/clusters/{cluster}?region={region}"


class NodeGroupLink(ConsoleLink):
    """The node group in the EKS console."""

    name = "EKS node group"
    path = "/eks/clusters/{cluster}/nodegroups/{nodegroup}?region={region}"
