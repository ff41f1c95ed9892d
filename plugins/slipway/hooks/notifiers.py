"""Messages through Airflow's own notifiers. Credentials live in Airflow connections."""

from __future__ import annotations

import html
from typing import Any

from airflow.sdk import BaseNotifier

from slipway.decisions.telling import Message, MessageKind
from slipway.model.health import Verdict

_SUBJECT_LIMIT = 100  # of SNS
_SEVERITY = {Verdict.DOWN: "critical", Verdict.DEGRADED: "warning", Verdict.HEALTHY: "info"}


def notifier(message: Message, region: str) -> BaseNotifier:
    """The notifier that sends a message."""
    channel = message.channel
    # Providers are imported when used: an environment without a Slack channel needs no Slack package.
    match channel.kind:
        case "sns":
            from airflow.providers.amazon.aws.notifications.sns import SnsNotifier

            return SnsNotifier(
                aws_conn_id=channel.connection or "aws_default",
                target_arn=channel.target,
                subject=message.title[:_SUBJECT_LIMIT],
                message=message.text,
                # A topic may be in another region than the platform, and says so in its ARN.
                region_name=channel.target.split(":")[3] or region,
            )
        case "slack":
            from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

            # Slack takes <...> for links and mentions.
            text = html.escape(message.text, quote=False)
            return SlackWebhookNotifier(slack_webhook_conn_id=channel.connection or "slack_default", text=text)
        case "pagerduty":
            from airflow.providers.pagerduty.notifications.pagerduty import PagerdutyNotifier

            return PagerdutyNotifier(
                summary=message.title,
                severity=_SEVERITY[message.verdict],
                source="slipway",
                action="resolve" if message.kind is MessageKind.RECOVERED else "trigger",
                dedup_key=message.key,
                custom_details={"text": message.text},
                pagerduty_events_conn_id=channel.connection or "pagerduty_events_default",
            )
        case "smtp":
            from airflow.providers.smtp.notifications.smtp import SmtpNotifier

            return SmtpNotifier(
                to=[one.strip() for one in channel.target.split(",")],
                from_email=channel.sender or None,
                subject=message.title,
                html_content=f"<pre>{html.escape(message.text)}</pre>",
                smtp_conn_id=channel.connection or "smtp_default",
            )


def send(message: Message, region: str, context: Any) -> None:
    """Send a message. Not by calling the notifier, which would take braces in a log line for a template."""
    notifier(message, region).notify(context)
