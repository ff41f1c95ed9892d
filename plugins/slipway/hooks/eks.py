"""EKS clusters, node groups, add-ons and access, on top of the provider's hook."""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.hooks.eks import EksHook as ProviderEksHook
from botocore.exceptions import ClientError

from slipway.hooks.aws import CONNECTION_ID, ClientMixin, client, code_of

NOT_FOUND = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"


def is_absent(error: ClientError) -> bool:
    """Whether EKS says that the resource does not exist."""
    return code_of(error) == NOT_FOUND


def is_in_use(error: ClientError) -> bool:
    """Whether the resource exists already, or another update of it runs."""
    return code_of(error) == IN_USE


class EksHook(ClientMixin, ProviderEksHook):
    """The provider's hook with this project's retries, and questions it does not ask."""

    @classmethod
    def of(cls, region: str) -> EksHook:
        """Hook for a region over the project's connection and its shared client."""
        hook = cls(aws_conn_id=CONNECTION_ID, region_name=region)
        hook.conn = client("eks", region)
        return hook

    def find_cluster(self, name: str) -> dict[str, Any] | None:
        """Describe a cluster; ``None`` when EKS has none of this name."""
        return self._find("cluster", self.conn.describe_cluster, name=name)

    def find_nodegroup(self, cluster: str, name: str) -> dict[str, Any] | None:
        """Describe a node group; ``None`` when EKS has none of this name."""
        return self._find("nodegroup", self.conn.describe_nodegroup, clusterName=cluster, nodegroupName=name)

    def find_addon(self, cluster: str, name: str) -> dict[str, Any] | None:
        """Describe an add-on; ``None`` when the cluster has none of this name."""
        return self._find("addon", self.conn.describe_addon, clusterName=cluster, addonName=name)

    def find_access_entry(self, cluster: str, principal: str) -> dict[str, Any] | None:
        """Describe an access entry with its policies; ``None`` when there is none."""
        entry = self._find("accessEntry", self.conn.describe_access_entry, clusterName=cluster, principalArn=principal)
        if entry is None:
            return None
        pages = self.conn.get_paginator("list_associated_access_policies").paginate(
            clusterName=cluster, principalArn=principal
        )
        entry["policies"] = [policy for page in pages for policy in page["associatedAccessPolicies"]]
        return entry

    def access_principals(self, cluster: str) -> list[str]:
        """Principals with an access entry."""
        pages = self.conn.get_paginator("list_access_entries").paginate(clusterName=cluster)
        return [principal for page in pages for principal in page["accessEntries"]]

    def nodegroup_names(self, cluster: str) -> list[str]:
        """Node groups of a cluster; none when there is no such cluster."""
        pages = self.conn.get_paginator("list_nodegroups").paginate(clusterName=cluster)
        try:
            return [name for page in pages for name in page["nodegroups"]]
        except ClientError as error:
            if is_absent(error):
                return []
            raise

    def pod_identities(self, cluster: str) -> list[dict[str, Any]]:
        """Pod identity associations of a cluster, described."""
        pages = self.conn.get_paginator("list_pod_identity_associations").paginate(clusterName=cluster)
        ids = [entry["associationId"] for page in pages for entry in page["associations"]]
        return [
            self.conn.describe_pod_identity_association(clusterName=cluster, associationId=one)["association"]
            for one in ids
        ]

    def addon_versions(self, name: str, kubernetes_version: str) -> list[dict[str, Any]]:
        """Versions of an add-on that run with a Kubernetes version, newest first, each with ``compatibilities``."""
        pages = self.conn.get_paginator("describe_addon_versions").paginate(
            addonName=name, kubernetesVersion=kubernetes_version
        )
        found: list[dict[str, Any]] = []
        for page in pages:
            for addon in page["addons"]:
                found += addon["addonVersions"]
        return found

    def running_update(self, cluster: str, nodegroup: str | None = None) -> str | None:
        """Id of the update in progress of a cluster or of one of its node groups, if any."""
        target = {"nodegroupName": nodegroup} if nodegroup else {}
        # Newest first; an update in progress is among the first page.
        for update in self.conn.list_updates(name=cluster, **target)["updateIds"]:
            described = self.conn.describe_update(name=cluster, updateId=update, **target)["update"]
            if described["status"] == "InProgress":
                return str(update)
        return None

    def update(self, cluster: str, update: str, nodegroup: str | None = None, addon: str | None = None) -> Any:
        """Describe an update."""
        target = {"nodegroupName": nodegroup} if nodegroup else {"addonName": addon} if addon else {}
        return self.conn.describe_update(name=cluster, updateId=update, **target)["update"]

    @staticmethod
    def _find(key: str, call: Any, **arguments: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = call(**arguments)[key]
        except ClientError as error:
            if is_absent(error):
                return None
            raise
        return found


def caller_arn(region: str) -> str:
    """ARN of the IAM identity behind the connection: a session becomes its role, with the role's path.

    An access entry takes no session, and compares paths.
    """
    arn = str(client("sts", region).get_caller_identity()["Arn"])
    head, assumed, rest = arn.partition(":assumed-role/")
    if not assumed:
        return arn
    role = rest.split("/", 1)[0]
    try:
        return str(client("iam", region).get_role(RoleName=role)["Role"]["Arn"])
    except ClientError as error:
        # Not allowed to look: right for roles without a path, which are most.
        if code_of(error) not in {"AccessDenied", "AccessDeniedException"}:
            raise
        return f"{head.replace(':sts:', ':iam:')}:role/{role}"
