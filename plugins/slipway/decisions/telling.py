"""Who is told what: a changed verdict at once, new findings of a bad verdict bundled, reminders sparingly, all once.

What a channel was told is remembered per channel. A message is claimed before it is sent: a run that dies between the
two leaves a claim behind, and its message is not sent a second time, except to PagerDuty, which itself joins messages
of one key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import AwareDatetime

from slipway.model.health import Finding, Verdict
from slipway.model.policies import Channel, Notifications
from slipway.model.records import Record

# A verdict is good again when this many runs in a row say so; one that flaps is told of once.
RECOVERED_AFTER = 2
# New findings of an unchanged verdict are gathered for so long.
BUNDLE = timedelta(minutes=30)
LINES = 12


class MessageKind(StrEnum):
    """Why somebody hears something."""

    WORSE = "worse"
    BETTER = "better"
    RECOVERED = "recovered"
    MORE = "more"
    REMINDER = "reminder"
    CALL = "call"


class Told(Record):
    """What a channel knows.

    :param episode: when the verdict left Healthy: one incident for PagerDuty.
    :param keys: findings it has heard of in this episode.
    :param claimed: a message that is on its way, or was when its run died.
    """

    verdict: Verdict = Verdict.HEALTHY
    at: AwareDatetime | None = None
    episode: AwareDatetime | None = None
    keys: list[str] = []
    claimed: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel.

    :param key: the same for all messages of one incident.
    """

    channel: Channel
    kind: MessageKind
    title: str
    text: str
    verdict: Verdict
    key: str


@dataclass(frozen=True, slots=True)
class Telling:
    """A message and what its channel knows once it is sent."""

    message: Message
    after: Told


def what_to_tell(
    platform: str,
    verdict: Verdict,
    healthy_runs: int,
    findings: Sequence[Finding],
    told: Mapping[str, Told],
    notifications: Notifications,
    now: datetime,
) -> list[Telling]:
    """Messages that are due.

    :param healthy_runs: runs in a row with a healthy verdict, this one included.
    """
    due = []
    for channel in notifications.channels:
        known = told.get(channel.name, Told())
        heard = [one for one in findings if one.severity.rank >= channel.level.rank]
        seen = verdict if verdict.rank >= channel.level.rank else Verdict.HEALTHY
        recovering = seen is Verdict.HEALTHY and known.verdict is not Verdict.HEALTHY
        if recovering and verdict is Verdict.HEALTHY and healthy_runs < RECOVERED_AFTER:
            continue
        kind = _kind(seen, known, heard, notifications, now)
        if kind is None:
            continue
        episode = known.episode if known.verdict is not Verdict.HEALTHY and known.episode else now
        keys = [] if seen is Verdict.HEALTHY else sorted({*known.keys, *(one.key for one in heard)})
        after = Told(verdict=seen, at=now, episode=None if seen is Verdict.HEALTHY else episode, keys=keys)
        message = _message(platform, channel, kind, seen, known, heard, episode)
        due.append(Telling(message, after))
    return due


def _kind(
    seen: Verdict, known: Told, findings: Sequence[Finding], notifications: Notifications, now: datetime
) -> MessageKind | None:
    if seen is not known.verdict:
        if seen is Verdict.HEALTHY:
            return MessageKind.RECOVERED
        return MessageKind.WORSE if seen.rank > known.verdict.rank else MessageKind.BETTER
    if seen is Verdict.HEALTHY or known.at is None:
        return None
    if {one.key for one in findings} - set(known.keys) and now - known.at >= BUNDLE:
        return MessageKind.MORE
    if notifications.reminder and now - known.at >= notifications.reminder:
        return MessageKind.REMINDER
    return None


def _message(
    platform: str,
    channel: Channel,
    kind: MessageKind,
    seen: Verdict,
    known: Told,
    findings: Sequence[Finding],
    episode: datetime,
) -> Message:
    head = {
        MessageKind.WORSE: f"{platform} is {seen}",
        MessageKind.BETTER: f"{platform} is better: {seen}",
        MessageKind.RECOVERED: f"{platform} is healthy again",
        MessageKind.MORE: f"{platform} is {seen}, and there is more",
        MessageKind.REMINDER: f"{platform} is still {seen}",
    }[kind]
    shown = findings
    if kind is MessageKind.MORE:
        shown = [one for one in findings if one.key not in known.keys]
    lines = [f"- {one}" + (f" ({one.runbook})" if one.runbook else "") for one in shown[:LINES]]
    if len(shown) > LINES:
        lines.append(f"- and {len(shown) - LINES} more, see the report")
    if kind in {MessageKind.RECOVERED, MessageKind.BETTER} and known.episode is not None:
        lines.append(f"It began at {known.episode:%Y-%m-%d %H:%M} UTC.")
    return Message(channel, kind, head, "\n".join([f"{head}.", *lines]), seen, f"{platform} {episode:%Y%m%dT%H%M%S}")


def call_a_person(
    platform: str, finding: Finding, tries: int, notifications: Notifications, now: datetime
) -> list[Message]:
    """Messages that mending did not help, to every channel that hears of such findings."""
    head = f"{platform}: {finding.subject} needs a person"
    lines = [
        f"{head}.",
        f"- {finding}",
        f"Mended {tries} times within a day without lasting success; Slipway stops here.",
    ]
    if finding.runbook:
        lines.append(f"Runbook: {finding.runbook}")
    return [
        Message(
            channel,
            MessageKind.CALL,
            head,
            "\n".join(lines),
            finding.severity,
            f"{platform} {finding.key} {now:%Y%m%d}",
        )
        for channel in notifications.channels
        if finding.severity.rank >= channel.level.rank
    ]
