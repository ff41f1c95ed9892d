"""Facts about the account and region a platform is meant for. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
from botocore import exceptions
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from slipway.hooks.aws import CONNECTION_ID, DENIED, client, code_of, message_of, tags_of
from slipway.hooks.eks import EksHook
from slipway.hooks.network import NetworkHook
from slipway.model.errors import Problem, RefusedError
from slipway.model.facts import AccountFacts, InstanceType, Owner, Quota, VersionFacts
from slipway.model.platform import Platform, Stack

# Whoever starts a deploy waits for the answer, so credentials that do not work are told within seconds.
_QUICK = Config(retries={"mode": "standard", "total_max_attempts": 2}, connect_timeout=5, read_timeout=20)
_NO_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.ProfileNotFound,
)
_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
        "IncompleteSignature",
        "RequestExpired",
        # What EC2 calls credentials of an account that has not enabled the region.
        "AuthFailure",
    }
)

# Service Quotas codes and what they limit.
QUOTAS = {
    "nodes": ("ec2", "L-1216C47A", "vCPUs of running on-demand standard instances"),
    "vpcs": ("vpc", "L-F678F1CE", "VPCs per region"),
    "addresses": ("ec2", "L-0263D0A3", "Elastic IP addresses"),
    "clusters": ("eks", "L-1194D53C", "EKS clusters per region"),
}


def known_instance_types() -> frozenset[str]:
    """All instance types that the installed SDK knows; needs no call."""
    shape = botocore.session.get_session().get_service_model("ec2").shape_for("InstanceType")
    return frozenset(shape.enum)


@contextmanager
def answering(region: str) -> Iterator[None]:
    """Turn what keeps AWS from answering into an error that says what to do about it.

    :raises RefusedError: no credentials, some that AWS does not take, a call they do not allow, or no connection.
    """
    try:
        yield
    except _NO_CREDENTIALS as error:
        raise _refused(
            f"no usable credentials: {error}",
            "credentials of the environment's account",
            f"give the Airflow connection {CONNECTION_ID} credentials or a role, or run where the instance has one",
        ) from error
    except ClientError as error:
        code = code_of(error)
        said = f"{error.operation_name} answered {code}: {message_of(error)}"
        if code in _BAD_CREDENTIALS:
            raise _refused(
                said,
                f"credentials that are valid now, in a region ({region}) that the account has enabled",
                f"renew the credentials of the Airflow connection {CONNECTION_ID}, check this machine's clock, and "
                "enable the region if it is one of those that are off at first",
            ) from error
        if code in DENIED:
            raise _refused(
                said,
                "a principal that may call it",
                f"allow {error.operation_name} in the IAM policy of the connection {CONNECTION_ID}, then run again",
            ) from error
        raise
    except (exceptions.HTTPClientError, exceptions.ConnectionError) as error:
        raise _refused(
            f"no answer: {error}",
            f"a connection to the AWS APIs of {region}",
            "check the network, proxy and VPC endpoints of this worker, and AWS_ENDPOINT_URL if it is set",
        ) from error


def _refused(found: str, allowed: str, mend: str) -> RefusedError:
    return RefusedError(Problem(f"AWS connection {CONNECTION_ID}", "", found, allowed, mend))


class AccountHook:
    """Reads what preflight judges.

    :param platform: whose account and region are looked at, through the connection ``aws_default``.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform

    def identity(self) -> tuple[str, str]:
        """Account and ARN behind the credentials.

        :raises RefusedError: there are none that AWS takes, or AWS cannot be reached.
        """
        with answering(self.platform.region):
            hook = AwsBaseHook(
                aws_conn_id=CONNECTION_ID, client_type="sts", region_name=self.platform.region, config=_QUICK
            )
            found = hook.get_conn().get_caller_identity()
        return found["Account"], found["Arn"]

    def facts(self, identity: tuple[str, str]) -> AccountFacts:
        """Gather everything in one go.

        :param identity: as :meth:`identity` gave it.
        :raises RefusedError: credentials do not allow a call that preflight cannot do without.
        """
        account, principal = identity
        with answering(self.platform.region):
            stacks = self._stacks()
            return AccountFacts(
                account=account,
                principal=principal,
                zones=NetworkHook(self.platform.region).zones_with_eks(),
                network_zones=self._network_zones(stacks),
                instance_types=self._instance_types(),
                versions=self._versions(),
                quotas=self._quotas(),
                owners=[*self._cluster_owner(), *self._stack_owners(stacks)],
            )

    def _client(self, service: str) -> Any:
        return client(service, self.platform.region)

    def _instance_types(self) -> dict[str, InstanceType]:
        """The environment's instance types. A filter leaves out what the region lacks; naming it would be an error."""
        wanted = {name for group in self.platform.environment.node_groups.values() for name in group.instance_types}
        pages = self._client("ec2").get_paginator("describe_instance_types")
        found = pages.paginate(Filters=[{"Name": "instance-type", "Values": sorted(wanted)}])
        return {
            one["InstanceType"]: InstanceType(
                name=one["InstanceType"],
                vcpus=one["VCpuInfo"]["DefaultVCpus"],
                memory_mib=one["MemoryInfo"]["SizeInMiB"],
                network_interfaces=one["NetworkInfo"]["MaximumNetworkInterfaces"],
                addresses_per_interface=one["NetworkInfo"]["Ipv4AddressesPerInterface"],
                architecture="arm64" if "arm64" in one["ProcessorInfo"]["SupportedArchitectures"] else "x86_64",
            )
            for page in found
            for one in page["InstanceTypes"]
        }

    def _versions(self) -> dict[str, VersionFacts]:
        pages = self._client("eks").get_paginator("describe_cluster_versions").paginate(includeAll=True)
        return {
            one["clusterVersion"]: VersionFacts(
                version=one["clusterVersion"],
                end_of_standard_support=one["endOfStandardSupportDate"],
                end_of_extended_support=one["endOfExtendedSupportDate"],
            )
            for page in pages
            for one in page["clusterVersions"]
        }

    def _quotas(self) -> list[Quota]:
        """Limits and use. One that cannot be read, for whatever reason, is no reason not to deploy."""
        quotas = self._client("service-quotas")
        used = {"vpcs": self._count_vpcs, "addresses": self._count_addresses, "clusters": self._count_clusters}
        found = []
        for name, (service, code, what) in QUOTAS.items():
            try:
                limit = quotas.get_service_quota(ServiceCode=service, QuotaCode=code)["Quota"]["Value"]
                in_use = used[name]() if name in used else None
            except (ClientError, BotoCoreError) as error:
                found.append(Quota(name, what, None, None, code_of(error) or type(error).__name__))
                continue
            found.append(Quota(name, what, limit, in_use))
        return found

    def _count_vpcs(self) -> int:
        return sum(len(page["Vpcs"]) for page in self._client("ec2").get_paginator("describe_vpcs").paginate())

    def _count_addresses(self) -> int:
        return len(self._client("ec2").describe_addresses()["Addresses"])

    def _count_clusters(self) -> int:
        return sum(len(page["clusters"]) for page in self._client("eks").get_paginator("list_clusters").paginate())

    def _cluster_owner(self) -> list[Owner]:
        cluster = EksHook.of(self.platform.region).find_cluster(self.platform.cluster_name)
        return [] if cluster is None else [Owner(f"EKS cluster {cluster['name']}", dict(cluster.get("tags") or {}))]

    def _stacks(self) -> dict[str, dict[str, Any]]:
        """Stacks that bear one of the platform's names."""
        names = {self.platform.stack_name(kind) for kind in Stack}
        of_groups = self.platform.nodegroup_stack_name("")
        pages = self._client("cloudformation").get_paginator("describe_stacks").paginate()
        return {
            stack["StackName"]: stack
            for page in pages
            for stack in page["Stacks"]
            if stack["StackName"] in names or stack["StackName"].startswith(of_groups)
        }

    def _stack_owners(self, stacks: dict[str, dict[str, Any]]) -> list[Owner]:
        return [Owner(f"stack {name}", tags_of(stack.get("Tags", []))) for name, stack in sorted(stacks.items())]

    def _network_zones(self, stacks: dict[str, dict[str, Any]]) -> list[str]:
        """Zones that the platform's network has already, in its order."""
        network = stacks.get(self.platform.stack_name(Stack.NETWORK), {})
        given = {one["ParameterKey"]: one.get("ParameterValue", "") for one in network.get("Parameters", [])}
        return [zone for zone in given.get("Zones", "").split(",") if zone]
