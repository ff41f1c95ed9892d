"""Reports of runs in the platform's artefact bucket: written once, read back as history."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from slipway.hooks.aws import code_of
from slipway.hooks.records import RecordsHook
from slipway.model.platform import Platform
from slipway.model.report import AnyBody, Report, ReportReference, latest_key, prefix, started_of

Body = TypeVar("Body", bound=BaseModel)

_MARKDOWN = "text/markdown; charset=utf-8"


class ReportsHook:
    """Writes and reads the reports of one platform."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.records = RecordsHook(platform)

    def write(self, report: Report[Any], markdown: str) -> ReportReference:
        """Write a report, its page and, unless a newer one is there, the copy ``latest.json``.

        Writing the same run's report again replaces it.

        :raises ValueError: the report is of another environment or region.
        :raises ConfigurationError: it is larger than 5 MiB.
        """
        mine = (self.platform.environment.name, self.platform.region)
        if (report.environment, report.region) != mine:
            raise ValueError(f"a report of {report.environment} in {report.region} does not belong to {mine}")
        document = report.model_dump(mode="json", by_alias=True)
        url = self.records.put_json(report.key, document)
        self.records.s3.put_object(
            Bucket=self.records.bucket, Key=report.markdown_key, Body=markdown.encode(), ContentType=_MARKDOWN
        )
        newest: Report[AnyBody] | None = self.latest(report.kind)
        # A run that is cleared weeks later must not pass for today's.
        if newest is None or newest.started <= report.started:
            self.records.put_json(latest_key(*mine, report.kind), document)
        return ReportReference(
            kind=report.kind,
            environment=report.environment,
            region=report.region,
            verdict=report.verdict,
            summary=report.summary,
            url=url,
            markdown_url=f"s3://{self.records.bucket}/{report.markdown_key}",
            missing=len(report.missing),
        )

    def latest(self, kind: str, body: type[Body] = AnyBody) -> Report[Body] | None:  # type: ignore[assignment]
        """The newest report of a kind; ``None`` when there is none that this version can read."""
        return self._parse(self.records.get_json(latest_key(*self._mine, kind)), body)

    def history(
        self,
        kind: str,
        since: datetime,
        until: datetime | None = None,
        body: type[Body] = AnyBody,  # type: ignore[assignment]
        limit: int = 400,
    ) -> Iterator[Report[Body]]:
        """Reports of a kind whose run began at or after ``since`` and before ``until``, oldest first.

        One at a time, so that a year of them does not lie in memory. Those that an earlier version wrote in another
        schema are passed over.

        :param limit: at most so many, the newest ones.
        """
        for key in self.keys(kind, since, until)[-limit:]:
            found = self._parse(self.records.get_json(key), body)
            if found is not None:
                yield found

    def keys(self, kind: str, since: datetime, until: datetime | None = None) -> list[str]:
        """Keys of a kind's reports of a time, oldest first. A list call per thousand, none of the reports is read."""
        first = since.astimezone(UTC).replace(microsecond=0)
        found = []
        # Keys of the first day sort behind their prefix, those of the days before it in front of it.
        for key in self._listed(prefix(*self._mine, kind), prefix(*self._mine, kind, first.date())):
            started = started_of(key)
            if started is None or started < first:
                continue
            if until is not None and started >= until:
                break
            found.append(key)
        return found

    @property
    def _mine(self) -> tuple[str, str]:
        return self.platform.environment.name, self.platform.region

    def _listed(self, base: str, after: str) -> Iterator[str]:
        pages = self.records.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.records.bucket, Prefix=base, StartAfter=after
        )
        try:
            for page in pages:
                yield from (item["Key"] for item in page.get("Contents", []))
        except ClientError as error:
            if code_of(error) != "NoSuchBucket":
                raise

    @staticmethod
    def _parse(document: Any, body: type[Body]) -> Report[Body] | None:
        if document is None:
            return None
        try:
            return Report[body].model_validate(document)  # type: ignore[valid-type]
        except ValidationError:
            return None
