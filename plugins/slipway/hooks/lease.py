"""One lease per platform, an object in its artefact bucket.

Two runs that change one platform at the same time would undo each other's work, so each run holds the lease
while it does. S3's conditional writes make it safe without a database: an object is written only if it is still
the version that was read (``IfMatch``), or still absent (``IfNoneMatch``). A run that dies keeps the lease until
it expires; then the next one takes it over. Time is S3's own, from its responses, so clocks of workers may differ.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from slipway.decisions.leases import Verdict, decide
from slipway.hooks.aws import client, code_of
from slipway.model.errors import ErrorClass, LeaseLostError, Problem, RefusedError, UnansweredError
from slipway.model.lease import LEASE_KEY, LEASE_TTL, Lease
from slipway.model.platform import Platform

# 412: somebody else wrote first; 409: at the very same time; 404: the object went away.
LOST_RACE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
ATTEMPTS = 8
READS = 3


class LeaseHook:
    """The lease of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.s3: Any = client("s3", platform.region)

    @property
    def url(self) -> str:
        """Where the lease is."""
        return f"s3://{self.platform.bucket}/{LEASE_KEY}"

    def acquire(self, holder: str, dag_id: str, ttl: timedelta = LEASE_TTL) -> Lease:
        """Get the lease, or renew it when the run has it already.

        :raises RefusedError: another run holds it.
        """
        verdict = self._claim(holder, dag_id, ttl)
        if verdict.refused:
            raise RefusedError(
                Problem(
                    where=self.url,
                    field="",
                    found=f"{self.platform.name} in {self.platform.region} is held by {verdict.lease}",
                    allowed="one run at a time on a platform",
                    mend=f"wait for that run; if it is dead, break the lease with: aws s3 rm {self.url}",
                ),
                ErrorClass.LOST_LEASE,
            )
        return verdict.lease

    def hold(self, holder: str, dag_id: str, ttl: timedelta = LEASE_TTL) -> Lease:
        """Renew the run's lease, taking it again when it is free.

        :raises LeaseLostError: another run holds it, or it was never acquired.
        """
        try:
            verdict = self._claim(holder, dag_id, ttl)
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                raise LeaseLostError(
                    f"{self.url} cannot exist: bucket {self.platform.bucket} is not there. "
                    "Run the task that acquires the lease first"
                ) from error
            raise
        if verdict.refused:
            raise LeaseLostError(
                f"The lease on {self.platform.name} in {self.platform.region} went to {verdict.lease}. "
                "This run must stop; clear it once that run has ended"
            )
        return verdict.lease

    def release(self, holder: str, dag_id: str) -> bool:
        """Give the lease back. Whoever does not hold it changes nothing.

        :returns: whether there was a lease of this run to give back.
        """
        for attempt in range(ATTEMPTS):
            try:
                current, etag, _ = self._read()
            except ClientError as error:
                if code_of(error) == "NoSuchBucket":
                    return False
                raise
            if current is None or etag is None or current.released or not current.belongs_to(holder, dag_id):
                return False
            if self._write(current.model_copy(update={"released": True}), etag):
                return True
            self._pause(attempt)
        raise LeaseLostError(f"{self.url} changed {ATTEMPTS} times while it was being released; clear the task")

    def read(self) -> Lease | None:
        """The lease that is held right now, ``None`` when the platform is free (or has no bucket yet)."""
        try:
            current, _, now = self._read()
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                return None
            raise
        return current if current is not None and current.is_held(now) else None

    def _claim(self, holder: str, dag_id: str, ttl: timedelta) -> Verdict:
        """Get or renew the lease, or find out who has it."""
        name = self.platform.name
        for attempt in range(ATTEMPTS):
            current, etag, now = self._read()
            verdict = decide(current, platform=name, holder=holder, dag_id=dag_id, ttl=ttl, now=now)
            if not verdict.write or self._write(verdict.lease, etag):
                return verdict
            self._pause(attempt)
        raise LeaseLostError(f"{self.url} changed {ATTEMPTS} times while it was being written; clear the task")

    def _read(self) -> tuple[Lease | None, str | None, datetime]:
        """The object, its entity tag, and the time by S3's clock.

        :raises UnansweredError: what came was not a lease, several times: cut short on the way, or not written by us.
        """
        for attempt in range(READS):
            try:
                found = self.s3.get_object(Bucket=self.platform.bucket, Key=LEASE_KEY)
            except ClientError as error:
                if code_of(error) != "NoSuchKey":
                    raise
                return None, None, _server_time(error.response)
            # A body that was cut short comes as a success, and botocore cannot know.
            with suppress(ValidationError, BotoCoreError):
                return Lease.model_validate_json(found["Body"].read()), found["ETag"], _server_time(found)
            self._pause(attempt)
        mend = f"look at it with: aws s3 cp {self.url} -; if it is damaged, break the lease with: aws s3 rm {self.url}"
        raise UnansweredError(f"{self.url} cannot be read as a lease; {mend}", ErrorClass.UNKNOWN_OUTCOME)

    def _write(self, lease: Lease, etag: str | None) -> bool:
        """Write the object unless it changed since it was read; whether it was written."""
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            self.s3.put_object(
                Bucket=self.platform.bucket,
                Key=LEASE_KEY,
                Body=lease.model_dump_json(indent=2).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if code_of(error) in LOST_RACE:
                return False
            raise
        return True

    @staticmethod
    def _pause(attempt: int) -> None:
        time.sleep(random.uniform(0.02, 0.1) * (attempt + 1))  # noqa: S311 - jitter, no secret


def _server_time(response: Mapping[str, Any]) -> datetime:
    header = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(header).astimezone(UTC) if header else datetime.now(UTC)
