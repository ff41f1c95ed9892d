"""Which platforms there are: every environment in every region where it was deployed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from slipway.catalog.environments import environment_names, load_environment
from slipway.hooks.aws import client, code_of, message_of
from slipway.hooks.eks import EksHook
from slipway.model.errors import ConfigurationError
from slipway.model.platform import Platform


class Trace(StrEnum):
    """What tells that a platform is there.

    ``CLUSTER`` goes with a teardown; ``BUCKET`` stays behind it, and so does whatever still costs money.
    """

    CLUSTER = "cluster"
    BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Member:
    """One platform of the fleet, or one that could not be looked at.

    :param region: empty when the environment's file does not load.
    :param problem: why it could not be looked at; such a member is kept, so that its own task fails and says so.
    """

    environment: str
    region: str
    problem: str = ""

    def as_dict(self) -> dict[str, str]:
        """For XCom and mapped tasks."""
        return {"environment": self.environment, "region": self.region, "problem": self.problem}


def fleet(trace: Trace, environment: str | None = None, region: str | None = None) -> list[Member]:
    """Members of the fleet, in order of their names; never deployed platforms are left out.

    One that cannot be looked at does not hide the others.

    :param environment: only this one.
    :param region: only this one.
    """
    found: list[Member] = []
    for name in environment_names():
        if environment in (None, name):
            found += _of_environment(name, trace, region)
    return found


def _of_environment(name: str, trace: Trace, region: str | None) -> list[Member]:
    try:
        environment = load_environment(name)
    except ConfigurationError as error:
        return [Member(name, "", str(error))]
    found = []
    for one in environment.regions:
        if region not in (None, one):
            continue
        try:
            there = _is_there(Platform(environment, one), trace)
        except (ClientError, BotoCoreError) as error:
            code = code_of(error)
            found.append(Member(name, one, f"{code}: {message_of(error)}" if code else str(error)))
            continue
        if there:
            found.append(Member(name, one))
    return found


def _is_there(platform: Platform, trace: Trace) -> bool:
    if trace is Trace.CLUSTER:
        cluster = EksHook.of(platform.region).find_cluster(platform.cluster_name)
        return cluster is not None and platform.is_ours(cluster.get("tags") or {})
    s3: Any = client("s3", platform.region)
    try:
        # Bucket names are the whole world's: the owner tells ours from a stranger's.
        s3.head_bucket(Bucket=platform.bucket, ExpectedBucketOwner=platform.environment.account)
    except ClientError as error:
        if code_of(error) in {"404", "NoSuchBucket"}:
            return False
        raise
    return True
