"""A health report as a page of Markdown."""

from __future__ import annotations

from slipway.model.health import HealthBody
from slipway.model.report import Report


def markdown(report: Report[HealthBody]) -> str:
    """One page: the verdict, what is wrong, what was looked at, what could not be."""
    body = report.body
    lines = [
        f"# {report.environment} in {report.region}: {report.verdict}",
        "",
        f"{report.summary}. {report.started:%Y-%m-%d %H:%M} UTC, Kubernetes {body.version or 'unknown'}.",
        "",
    ]
    if body.findings:
        lines += ["| severity | what | where | since | runbook |", "|---|---|---|---|---|"]
        for one in body.findings:
            since = f"{one.since:%m-%d %H:%M}" if one.since else ""
            page = f"[page]({one.runbook})" if one.runbook else ""
            text = f"**{one.kind.value}**: {one.what}".replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {one.severity.value} | {text} | {one.subject} | {since} | {page} |")
        lines.append("")
    if report.missing:
        lines += ["Could not be read:", "", *(f"- {part}" for part in report.missing), ""]
    counts = ", ".join(f"{count:,} {what}" for what, count in body.counts.items())
    calls = ", ".join(f"{count} {api}" for api, count in sorted(body.calls.items()))
    lines.append(f"Looked at {counts or 'nothing'}, with {calls or 'no'} calls in {body.seconds:.1f} s.")
    return "\n".join(lines) + "\n"
