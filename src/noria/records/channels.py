"""Where alarms go. Secrets stand in environment variables; a setting holds the variable's name."""

from __future__ import annotations

from typing import Literal

from noria.records.base import Record
from noria.records.monitoring import SEVERITIES, Alarm, Severity


class _Channel(Record, kw_only=True):
    name: str
    """Of `[alarms.to.NAME]`."""
    models: tuple[str, ...] = ()
    """Whose alarms go there; none: every model's."""
    least: Severity = "warning"
    """The least severity that goes there."""

    def wants(self, alarm: Alarm) -> bool:
        enough = SEVERITIES.index(alarm.severity) >= SEVERITIES.index(self.least)
        return enough and (not self.models or alarm.model in self.models)


class LogChannel(_Channel, kw_only=True, tag="log"):
    """A file with a JSON document a line."""

    path: str = ".noria/alarms.ndjson"
    """From the project's folder."""


class WebhookChannel(_Channel, kw_only=True, tag="webhook"):
    """A JSON document by POST, signed as Standard Webhooks has it."""

    url: str = ""
    url_from: str = ""
    """The variable with the address, where it is a secret itself."""
    secret: str = ""
    """The variable with the secret; empty: not signed."""
    ca: str = ""
    """Authorities in PEM by which the receiver shows who it is; empty: the system's."""


class SlackChannel(_Channel, kw_only=True, tag="slack"):
    """An incoming webhook as Slack, Mattermost, Rocket.Chat and others have it."""

    url: str = ""
    url_from: str = ""
    ca: str = ""


class EmailChannel(_Channel, kw_only=True, tag="email"):
    """SMTP."""

    host: str
    port: int = 587
    sender: str
    to: tuple[str, ...]
    user: str = ""
    """The variable with the user's name; empty: nobody logs in."""
    password: str = ""
    tls: Literal["starttls", "tls", "off"] = "starttls"
    ca: str = ""


class AlertmanagerChannel(_Channel, kw_only=True, tag="alertmanager"):
    """Prometheus Alertmanager, by its API v2."""

    url: str = ""
    url_from: str = ""
    ca: str = ""


Channel = LogChannel | WebhookChannel | SlackChannel | EmailChannel | AlertmanagerChannel
LOG = LogChannel(name="log")
"""Always there, unless `[alarms.to.log]` says otherwise."""


class AlarmPolicy(Record, kw_only=True):
    """`[alarms]`"""

    false_alarm: float = 0.05
    """The chance of any false alarm on the versions in use now, over their lives and over all models together, but for
    models that have a `false_alarm` of their own."""
    channels: tuple[Channel, ...] = (LOG,)
