"""Alarms to Prometheus Alertmanager, by its API v2 (https://github.com/prometheus/alertmanager, api/v2/openapi.yaml).

Alertmanager takes what is not repeated for resolved after some minutes. Noria says once that an alarm stands, so it
gives the end as well: far off, until the alarm is resolved.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noria.adapters.alerts.http import post
from noria.adapters.alerts.settings import address, trusted
from noria.records.alarms import Notice
from noria.records.channels import AlertmanagerChannel

STANDS = timedelta(days=365)  # nobody leaves an alarm open for longer
TEST = timedelta(minutes=5)  # a test ends by itself


class AlertmanagerAlert:
    """See `noria.ports.alerts.Alert`."""

    def __init__(self, channel: AlertmanagerChannel, project: Path) -> None:
        self._channel = channel
        self._project = project

    def send(self, notice: Notice) -> None:
        channel = self._channel
        url = address(channel.name, channel.url, channel.url_from).rstrip("/") + "/api/v2/alerts"
        body = json.dumps([posted(notice, datetime.now(UTC))]).encode()
        post(channel.name, url, body, {}, trusted(channel.name, self._project, channel.ca))


def posted(notice: Notice, now: datetime) -> dict[str, object]:
    """One `postableAlert`. The labels say which alarm it is, so they are the same when it is resolved."""
    alarm = notice.alarm
    labels = {
        "alertname": f"Noria_{alarm.monitor}" + ("_test" if notice.kind == "test" else ""),
        "model": alarm.model,
        "version": str(alarm.version),
        "monitor": alarm.monitor,
        "subject": alarm.subject,
        "severity": alarm.severity,
        "alarm": alarm.id,
    }
    notes = {"summary": alarm.why, "cause": alarm.cause, "action": alarm.action, "notice": notice.id}
    ends = {"raised": now + STANDS, "test": now + TEST, "resolved": now}[notice.kind]
    starts = min(alarm.raised, now)
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in notes.items() if value},
        "startsAt": starts.isoformat(),
        "endsAt": max(ends, starts).isoformat(),
    }
