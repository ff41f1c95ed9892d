"""A health report as a page of Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from slipway.model.health import HealthBody
from slipway.model.light_checks import CheckSeen
from slipway.model.records import CheckState
from slipway.model.report import Report

# So many names are listed of checks that did not run for one reason.
_NAMES = 6


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
    lines += _checks(body)
    counts = ", ".join(f"{count:,} {what}" for what, count in body.counts.items())
    lines.append(f"Looked at {counts or 'nothing'}, with {_calls(body.calls)} calls in {body.seconds:.1f} s.")
    if body.checking is not None and body.checking.ran:
        lines.append(f"The checks took {_calls(body.checking.calls)} calls and {body.checking.seconds:.0f} s.")
    return "\n".join(lines) + "\n"


def _calls(calls: dict[str, int]) -> str:
    return ", ".join(f"{count} {api}" for api, count in sorted(calls.items())) or "no"


def _checks(body: HealthBody) -> Iterator[str]:
    """What the light checks say, each by its last time."""
    if body.checking is not None and body.checking.note:
        yield f"Checks inside the cluster did not run this time: {body.checking.note}"
        yield ""
    if not body.checks:
        return
    sorted_out: dict[CheckState, list[CheckSeen]] = defaultdict(list)
    for one in body.checks:
        sorted_out[one.state].append(one)
    passed, skipped = sorted_out[CheckState.PASSED], sorted_out[CheckState.SKIPPED]
    numbers = f"{len(passed)} passed, {len(sorted_out[CheckState.FAILED])} failed, {len(skipped)} not run"
    oldest = min((one.at for one in body.checks if one.at is not None), default=None)
    ran = f", {body.checking.ran} of them in this run" if body.checking is not None else ""
    since = f"; the oldest result is of {oldest:%m-%d %H:%M}" if oldest else ""
    yield f"Checks inside the cluster: {numbers}{ran}{since}."
    yield ""
    yield from _not_run(skipped)


def _not_run(skipped: Sequence[CheckSeen]) -> Iterator[str]:
    reasons: dict[str, list[str]] = defaultdict(list)
    for one in skipped:
        reasons[one.reason].append(one.name)
    for reason, names in reasons.items():
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        yield f"- not run: {', '.join(names[:_NAMES])}{more}: {reason}"
    if reasons:
        yield ""
