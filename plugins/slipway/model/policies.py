"""What an environment lets Slipway do by itself, and who is told."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from slipway.model.health import Verdict

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]{1,256}")


class Policy(StrEnum):
    """How far an automatism may go: not look, say what it would do, or do it."""

    OFF = "off"
    SUGGEST = "suggest"
    AUTO = "auto"


def _spelled(value: object) -> object:
    """YAML reads a bare ``off`` as false."""
    return "off" if value is False else value


PolicyChoice = Annotated[Policy, BeforeValidator(_spelled)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Policies(_Strict):
    """What may be done without asking.

    :param runbooks: mends of common incidents.
    :param mend_tries: mends of one incident within a day before a person is called.
    :param scale: changes of node groups' sizes, within their min and max.
    :param scale_changes_a_day: changes of one platform's node groups within a day.
    :param scale_cooldown_hours: hours between two changes of one node group.
    :param light_checks: checks that a health run repeats inside the cluster, at most; 0 for none.
    :param drift: objects that differ from Git; ``auto`` brings them back.
    :param rollback_on_failed_gate: whether what a deploy changed in a stage goes back when the stage's gate fails.
    :param rollback_stateful: whether that includes components that hold data, which going back cannot undo.
    """

    runbooks: PolicyChoice = Policy.SUGGEST
    mend_tries: Annotated[int, Field(ge=1, le=10)] = 2
    scale: PolicyChoice = Policy.SUGGEST
    scale_changes_a_day: Annotated[int, Field(ge=1, le=20)] = 2
    scale_cooldown_hours: Annotated[int, Field(ge=1, le=168)] = 24
    light_checks: Annotated[int, Field(ge=0, le=20)] = 5
    drift: PolicyChoice = Policy.SUGGEST
    rollback_on_failed_gate: bool = False
    rollback_stateful: bool = False


Level = Literal["Degraded", "Down"]


class Channel(_Strict):
    """Where messages go.

    :param connection: Airflow connection with the credentials; the provider's own default when left out.
    :param target: topic ARN (sns) or recipients, comma-separated (smtp); Slack's and PagerDuty's are in the connection.
    :param sender: sender of e-mail.
    :param at_least: the verdict from which on this channel hears of it.
    """

    kind: Literal["sns", "slack", "pagerduty", "smtp"]
    connection: str | None = None
    target: str = ""
    sender: str = ""
    at_least: Level = "Degraded"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "sns" and not _TOPIC.fullmatch(self.target):
            raise ValueError("an sns channel needs target: the ARN of its topic")
        if self.kind == "smtp" and "@" not in self.target:
            raise ValueError("an smtp channel needs target: its recipients")
        return self

    @property
    def name(self) -> str:
        """Names the channel in what is remembered."""
        return ":".join(filter(None, [self.kind, self.connection, self.target]))

    @property
    def level(self) -> Verdict:
        """The verdict from which on it hears."""
        return Verdict(self.at_least)


class Notifications(_Strict):
    """Who is told of a platform's health.

    :param reminder_hours: between reminders of a verdict that stays bad; 0 for none.
    """

    channels: list[Channel] = []
    reminder_hours: Annotated[int, Field(ge=0, le=168)] = 24

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = [channel.name for channel in self.channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"channels name {', '.join(twice)} more than once, which would tell everything twice")
        return self

    @property
    def reminder(self) -> timedelta:
        """Time between reminders."""
        return timedelta(hours=self.reminder_hours)
