"""Records of runs (plans, check results, reports): JSON objects in the platform's artefact bucket."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from slipway.hooks.aws import client, code_of
from slipway.model.errors import ConfigurationError, Problem
from slipway.model.platform import Platform

# What no reader of records should have to load at once; far beyond any plan or report of ours.
MAX_BYTES = 5 * 1024 * 1024
ABSENT = frozenset({"NoSuchKey", "NoSuchBucket"})


class RecordsHook:
    """Reads and writes records. Keys are relative to the bucket, for example ``runs/<run id>/plan.json``."""

    def __init__(self, platform: Platform) -> None:
        self.bucket = platform.bucket
        self.s3: Any = client("s3", platform.region)

    @staticmethod
    def run_key(run_id: str, *parts: str) -> str:
        """Key of one of a run's records."""
        return "/".join(["runs", run_id, *parts])

    def put_json(self, key: str, value: Any) -> str:
        """Write a record and return its URL.

        :param value: anything JSON holds; pydantic models as ``model_dump(mode="json")``.
        :raises ConfigurationError: the record is larger than 5 MiB.
        """
        body = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).encode()
        url = f"s3://{self.bucket}/{key}"
        if len(body) > MAX_BYTES:
            raise ConfigurationError(
                [
                    Problem(
                        where=url,
                        field="",
                        found=f"{len(body):,} bytes",
                        allowed=f"{MAX_BYTES:,} bytes",
                        mend="write a summary, or one record per part",
                    )
                ]
            )
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")
        return url

    def get_json(self, key: str) -> Any | None:
        """Read a record; ``None`` when there is none."""
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise
        return json.loads(found["Body"].read())

    def list(self, prefix: str) -> list[str]:
        """Keys that begin with the prefix, in order; none when there is no bucket yet."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        try:
            return [item["Key"] for page in pages for item in page.get("Contents", [])]
        except ClientError as error:
            if code_of(error) == "NoSuchBucket":
                return []
            raise
