"""A channel's setting becomes what sends."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from noria.ports.alerts import Alert
from noria.records.channels import (
    AlertmanagerChannel,
    Channel,
    EmailChannel,
    LogChannel,
    SlackChannel,
    WebhookChannel,
)


def open_alert(channel: Channel, project: Path) -> Alert:
    """Nothing is asked of the outside before something is sent. Files of settings are looked for from `project`."""
    match channel:
        case LogChannel():
            from noria.adapters.alerts.log import LogAlert

            return LogAlert(project / channel.path)
        case WebhookChannel():
            from noria.adapters.alerts.webhook import WebhookAlert

            return WebhookAlert(channel, project)
        case SlackChannel():
            from noria.adapters.alerts.slack import SlackAlert

            return SlackAlert(channel, project)
        case EmailChannel():
            from noria.adapters.alerts.email import EmailAlert

            return EmailAlert(channel, project)
        case AlertmanagerChannel():
            from noria.adapters.alerts.alertmanager import AlertmanagerAlert

            return AlertmanagerAlert(channel, project)
    assert_never(channel)
