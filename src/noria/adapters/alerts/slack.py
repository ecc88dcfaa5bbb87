"""Alarms to an incoming webhook as Slack has it; Mattermost, Rocket.Chat and others take the same."""

from __future__ import annotations

import json
from pathlib import Path

from noria.adapters.alerts.http import post
from noria.adapters.alerts.settings import address, trusted
from noria.adapters.alerts.words import lines, subject
from noria.records.alarms import Notice
from noria.records.channels import SlackChannel

LONGEST = 3000  # characters; Slack cuts a text off at some thousands more


class SlackAlert:
    """See `noria.ports.alerts.Alert`."""

    def __init__(self, channel: SlackChannel, project: Path) -> None:
        self._channel = channel
        self._project = project

    def send(self, notice: Notice) -> None:
        channel = self._channel
        url = address(channel.name, channel.url, channel.url_from)
        text = "\n".join([f"*{_plain(subject(notice))}*", *map(_plain, lines(notice))])
        body = json.dumps({"text": text[:LONGEST]}).encode()
        post(channel.name, url, body, {}, trusted(channel.name, self._project, channel.ca))


def _plain(text: str) -> str:
    """A column may be called `<!channel>`: the three signs that begin something are escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
