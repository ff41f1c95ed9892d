"""What a run tells people and later runs: one versioned JSON document, with a page of Markdown beside it.

Reports lie in the platform's artefact bucket, below ``reports/``, where the bucket's lifecycle rule ends their life
(``ReportExpiryDays`` of the state stack)::

    reports/<environment>/<region>/<kind>/YYYY/MM/DD/<HHMMSS>-<run>.json
    reports/<environment>/<region>/<kind>/YYYY/MM/DD/<HHMMSS>-<run>.md
    reports/<environment>/<region>/<kind>/latest.json

Keys sort by time, so that history is read in order and from any day on. XCom carries a :class:`ReportReference` only.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from slipway.model.records import Record

SCHEMA: Literal["slipway.dev/report/v1"] = "slipway.dev/report/v1"
ROOT = "reports"

# health, runbook, cost, scale, drift, teardown, upgrade, ...: each kind has a body of its own.
Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
BodyT = TypeVar("BodyT", bound=BaseModel)


class Missing(Record):
    """A part that a report should have and has not.

    :param part: what, in the words of the report, for example ``forecast of Cost Explorer``.
    :param reason: why, best AWS's own words, with the mend where one is known.
    """

    part: str
    reason: str

    def __str__(self) -> str:
        return f"{self.part}: {self.reason}"


class Report(Record, Generic[BodyT]):
    """The envelope of every report. Read one with its body's type: ``Report[CostBody].model_validate_json(text)``.

    :param started: when the run began; it names the report, so that a retried task writes over its own earlier try.
    :param verdict: one word of the kind's own vocabulary.
    :param summary: one sentence.
    :param missing: parts that could not be had; whatever else is there stands by itself.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    schema_version: Literal["slipway.dev/report/v1"] = Field(default=SCHEMA, alias="schema")
    kind: Kind
    environment: str
    region: str
    run_id: str
    started: AwareDatetime
    ended: AwareDatetime
    verdict: str
    summary: str
    body: BodyT
    missing: list[Missing] = []

    @model_validator(mode="after")
    def _check(self) -> Report[BodyT]:
        if self.ended < self.started:
            raise ValueError(f"ended {self.ended} lies before started {self.started}")
        return self

    @property
    def key(self) -> str:
        """Key of the JSON document, relative to the bucket."""
        day = self.started.astimezone(UTC)
        return f"{prefix(self.environment, self.region, self.kind, day.date())}{day:%H%M%S}-{_safe(self.run_id)}.json"

    @property
    def markdown_key(self) -> str:
        """Key of the Markdown page."""
        return f"{self.key.removesuffix('.json')}.md"


class AnyBody(BaseModel):
    """Body of a report whose kind does not matter to the reader."""

    model_config = ConfigDict(extra="allow", frozen=True)


class ReportReference(Record):
    """What travels in XCom and in asset events in place of the report."""

    kind: Kind
    environment: str
    region: str
    verdict: str
    summary: str
    url: str
    markdown_url: str
    missing: int = 0

    def as_xcom(self) -> dict[str, JsonValue]:
        """Plain JSON."""
        return self.model_dump(mode="json")


def prefix(environment: str, region: str, kind: str, day: date | None = None) -> str:
    """Beginning of the keys of a kind's reports, of one day when given."""
    base = f"{ROOT}/{environment}/{region}/{kind}/"
    return base if day is None else f"{base}{day:%Y/%m/%d}/"


def latest_key(environment: str, region: str, kind: str) -> str:
    """Key of the copy of a kind's newest report."""
    return f"{prefix(environment, region, kind)}latest.json"


def started_of(key: str) -> datetime | None:
    """When the run of a report began, by the report's key; ``None`` for keys that are no report's."""
    found = _DATED.search(key)
    return datetime.strptime(found[1], "%Y/%m/%d/%H%M%S").replace(tzinfo=UTC) if found else None


def asset_uri(kind: str) -> str:
    """URI of the Airflow asset that a kind's reports update."""
    return f"slipway://{kind}"


_DATED = re.compile(r"/(\d{4}/\d{2}/\d{2}/\d{6})-[^/]+\.json$")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def _safe(run_id: str) -> str:
    """A run id as part of a key; Airflow's own hold colons and plus signs."""
    return _UNSAFE.sub("-", run_id).strip("-")[:120] or "run"
