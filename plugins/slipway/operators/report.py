"""Publishing a report from a task: to the bucket, as an asset event, and by reference to XCom."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from slipway.model.platform import Platform
from slipway.model.report import Report, asset_uri

if TYPE_CHECKING:
    from airflow.sdk.definitions.context import Context


def report_asset(kind: str) -> Asset:
    """The asset that a kind's reports update; give it to the publishing task's ``outlets``."""
    return Asset(uri=asset_uri(kind), name=f"slipway-{kind}", group="slipway")


def started_at(context: Context) -> datetime:
    """When the run began: the same for every try of a task, so that a retry replaces its own report."""
    started = context["dag_run"].start_date
    return started if started is not None else datetime.now(UTC)


def publish(context: Context, platform: Platform, report: Report[Any], markdown: str) -> dict[str, Any]:
    """Write the report and put its reference on the asset event; returns the reference, for XCom.

    The event's ``extra`` is the reference, so that a DAG scheduled on the asset knows which report to read.
    """
    from slipway.hooks.reports import ReportsHook

    reference = ReportsHook(platform).write(report, markdown).as_xcom()
    asset = report_asset(report.kind)
    events = context.get("outlet_events")
    if events is not None and any(outlet == asset for outlet in context["task"].outlets):
        events[asset].extra.update(reference)
    return reference
