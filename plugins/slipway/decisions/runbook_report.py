"""A runbook report: its body, and its page of Markdown."""

from __future__ import annotations

from slipway.decisions.runbooks import Diagnosis
from slipway.model.policies import Policy
from slipway.model.records import Record
from slipway.model.report import Report


class RunbookBody(Record):
    """What was found out and done."""

    policy: Policy
    diagnoses: list[Diagnosis]


def markdown(report: Report[RunbookBody]) -> str:
    """One section per finding."""
    lines = [f"# Runbooks of {report.environment} in {report.region}", "", f"{report.summary}.", ""]
    for one in report.body.diagnoses:
        lines += [
            f"## {one.finding.kind.value}: {one.finding.subject}",
            "",
            f"{one.finding.what}.",
            "",
            f"**Cause:** {one.cause}.",
        ]
        if one.finding.runbook:
            lines.append(f"**Page:** {one.finding.runbook}")
        lines += [f"- {text}" for text in one.advice]
        if one.mend is not None:
            lines += ["", f"**Mend ({one.outcome.value}, try {one.tries}):** `{one.mend.says}`; undo: {one.mend.undo}."]
        if one.note:
            lines += ["", one.note]
        for name, found in (
            ("Events", one.evidence.events),
            ("Log", one.evidence.log),
            ("Releases", one.evidence.releases),
        ):
            if found:
                lines += ["", f"{name}:", "", "```", *found, "```"]
        if one.evidence.missing:
            lines += ["", f"Not read: {'; '.join(one.evidence.missing)}"]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
