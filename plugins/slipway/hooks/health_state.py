"""What one health run leaves for the next: an object in the artefact bucket, written only if nobody else did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from pydantic import ValidationError

from slipway.hooks.aws import client, code_of
from slipway.hooks.health_account import server_time
from slipway.model.health import HealthState
from slipway.model.platform import Platform

_LOST = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})


class StateLostError(RuntimeError):
    """Another run wrote the state meanwhile; a retry reads it anew."""


@dataclass(frozen=True, slots=True)
class Held:
    """A state as it was read.

    :param etag: which version of the object; ``None`` when there was none.
    :param now: S3's clock.
    """

    state: HealthState
    etag: str | None
    now: datetime


class HealthStateHook:
    """Reads and writes the state of one platform's watching."""

    def __init__(self, platform: Platform) -> None:
        self.bucket = platform.bucket
        self.key = f"watch/{platform.environment.name}/{platform.region}/health.json"
        self.s3: Any = client("s3", platform.region)

    def read(self) -> Held:
        """The state; an empty one when there is none or an earlier version wrote it."""
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=self.key)
        except ClientError as error:
            if code_of(error) not in {"NoSuchKey", "NoSuchBucket"}:
                raise
            return Held(HealthState(), None, server_time(error.response))
        now = server_time(found)
        try:
            return Held(HealthState.model_validate_json(found["Body"].read()), found["ETag"], now)
        except ValidationError:
            return Held(HealthState(), found["ETag"], now)

    def write(self, state: HealthState, held: Held) -> Held:
        """Replace what was read.

        :raises StateLostError: it changed since.
        """
        condition = {"IfNoneMatch": "*"} if held.etag is None else {"IfMatch": held.etag}
        body = state.model_dump_json().encode()
        try:
            answer = self.s3.put_object(
                Bucket=self.bucket, Key=self.key, Body=body, ContentType="application/json", **condition
            )
        except ClientError as error:
            if code_of(error) in _LOST:
                raise StateLostError(f"s3://{self.bucket}/{self.key} was written by another run meanwhile") from error
            raise
        return Held(state, answer["ETag"], held.now)


def utc_now() -> datetime:
    """This machine's clock."""
    return datetime.now(UTC)
