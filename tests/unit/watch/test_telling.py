"""Nothing is told twice, a changed verdict at once, reminders sparingly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from slipway.decisions.telling import MessageKind, Told, what_to_tell
from slipway.hooks.notifiers import notifier
from slipway.model.health import Finding, FindingKind, Verdict
from slipway.model.policies import Channel, Notifications

START = datetime(2026, 11, 22, tzinfo=UTC)
TOPIC = Channel(kind="sns", target="arn:aws:sns:eu-west-1:123456789012:all")
PAGER = Channel(kind="pagerduty", at_least="Down")
BOTH = Notifications(channels=[TOPIC, PAGER])


def finding(subject: str, severity: Verdict = Verdict.DEGRADED) -> Finding:
    return Finding(kind=FindingKind.NODE_GONE, severity=severity, subject=subject, what="2 of 3")


class Story:
    """Runs of a platform, ten minutes apart."""

    def __init__(self, notifications: Notifications = BOTH) -> None:
        self.notifications = notifications
        self.told: dict[str, Told] = {}
        self.now, self.healthy = START, 0

    def run(self, *findings: Finding) -> list[tuple[str, MessageKind]]:
        worst = max((one.severity for one in findings), key=lambda one: one.rank, default=Verdict.HEALTHY)
        self.healthy = self.healthy + 1 if worst is Verdict.HEALTHY else 0
        due = what_to_tell("dev", worst, self.healthy, findings, self.told, self.notifications, self.now)
        for one in due:
            self.told[one.message.channel.name] = one.after
        self.now += timedelta(minutes=10)
        return [(one.message.channel.kind, one.message.kind) for one in due]


def test_a_day_of_trouble() -> None:
    story = Story()
    assert story.run() == []
    assert story.run(finding("a")) == [("sns", MessageKind.WORSE)]
    assert story.run(finding("a")) == []
    # More of the same verdict is bundled for half an hour.
    assert story.run(finding("a"), finding("b")) == []
    assert story.run(finding("a"), finding("b")) == [("sns", MessageKind.MORE)]
    down = finding("c", Verdict.DOWN)
    assert story.run(finding("a"), down) == [("sns", MessageKind.WORSE), ("pagerduty", MessageKind.WORSE)]
    assert story.run(finding("a")) == [("sns", MessageKind.BETTER), ("pagerduty", MessageKind.RECOVERED)]
    assert story.run() == []
    assert story.run() == [("sns", MessageKind.RECOVERED)]
    assert story.run() == []


def test_flapping_is_told_once() -> None:
    story = Story()
    said = [message for turn in range(20) for message in story.run(*([finding("a")] if turn % 2 else []))]
    assert said == [("sns", MessageKind.WORSE)]


def test_reminders_once_a_day() -> None:
    story = Story(Notifications(channels=[TOPIC]))
    said = [message for _ in range(3 * 144) for message in story.run(finding("a"))]
    assert said == [("sns", MessageKind.WORSE), ("sns", MessageKind.REMINDER), ("sns", MessageKind.REMINDER)]


@given(st.lists(st.sets(st.sampled_from("abc"), max_size=3), max_size=60))
def test_never_twice_in_a_row(turns: list[set[str]]) -> None:
    story = Story(Notifications(channels=[TOPIC], reminder_hours=0))
    last = Verdict.HEALTHY
    for turn in turns:
        for _, kind in story.run(*(finding(name) for name in sorted(turn))):
            now = story.told[TOPIC.name].verdict
            assert now is not last or kind is MessageKind.MORE
            last = now


def test_notifiers_are_airflows_own() -> None:
    (due,) = what_to_tell("dev", Verdict.DEGRADED, 0, [finding("a")], {}, Notifications(channels=[TOPIC]), START)
    sns = notifier(due.message, "us-east-1")
    # The topic's region, not the platform's.
    assert (sns.target_arn, sns.region_name) == (TOPIC.target, "eu-west-1")
    for channel in (
        Channel(kind="slack", connection="slack_platform"),
        Channel(kind="smtp", target="a@example.com, b@example.com", sender="slipway@example.com"),
        Channel(kind="pagerduty"),
    ):
        (due,) = what_to_tell("dev", Verdict.DEGRADED, 0, [finding("a")], {}, Notifications(channels=[channel]), START)
        assert type(notifier(due.message, "us-east-1")).__module__.startswith("airflow.providers.")


def test_channels_are_checked() -> None:
    with pytest.raises(ValidationError, match="ARN of its topic"):
        Channel(kind="sns")
    with pytest.raises(ValidationError, match="recipients"):
        Channel(kind="smtp")
    with pytest.raises(ValidationError, match="twice"):
        Notifications(channels=[TOPIC, TOPIC])
