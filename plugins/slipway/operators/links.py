"""Links from tasks to the AWS console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from airflow.providers.common.compat.sdk import BaseOperatorLink, XCom

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
    """A link made from what the task remembered while it ran."""

    key: ClassVar[str]
    path: ClassVar[str]

    @classmethod
    def remember(cls, context: Context, region: str, **names: str) -> None:
        """Keep what the link needs, before the first wait so that it works during it."""
        context["ti"].xcom_push(key=cls.key, value={"region": region, **names})

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """The address; empty until the task has run."""
        found: dict[str, str] | None = XCom.get_value(key=self.key, ti_key=ti_key)
        return self.address(found) if found else ""

    @classmethod
    def address(cls, found: dict[str, str]) -> str:
        """The address for what was remembered."""
        values = {key: quote(value, safe="") for key, value in found.items()}
        return console(found["region"]) + cls.path.format(**values)


class StackLink(ConsoleLink):
    """The stack in the CloudFormation console."""

    name = "CloudFormation stack"
    key = "console_stack"
    path = "/cloudformation/home?region={region}#/stacks?filteringText={stack}"


class ClusterLink(ConsoleLink):
    """The cluster in the EKS console."""

    name = "EKS cluster"
    key = "console_cluster"
    path = "/eks/clusters/{cluster}?region={region}"


class NodeGroupLink(ConsoleLink):
    """The node group in the EKS console."""

    name = "EKS node group"
    key = "console_node_group"
    path = "/eks/clusters/{cluster}/nodegroups/{nodegroup}?region={region}"
