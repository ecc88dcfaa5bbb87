"""Alarms by POST, signed as the Standard Webhooks specification has it (https://www.standardwebhooks.com), so that a
receiver can use one of its libraries: `webhook-id` is the same whenever a message is sent again, `webhook-timestamp` is
part of what is signed, and a receiver refuses one that is minutes old."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path

from noria.adapters.alerts.errors import AlertUnset
from noria.adapters.alerts.http import post
from noria.adapters.alerts.settings import address, secret, trusted
from noria.records.alarms import Notice
from noria.records.base import canonical
from noria.records.channels import WebhookChannel

PREFIX = "whsec_"
LEAST = 24  # bytes of a secret that the specification asks for


class WebhookAlert:
    """See `noria.ports.alerts.Alert`."""

    def __init__(self, channel: WebhookChannel, project: Path) -> None:
        self._channel = channel
        self._project = project

    def send(self, notice: Notice) -> None:
        channel, body = self._channel, canonical(notice)
        url = address(channel.name, channel.url, channel.url_from)
        headers = {"webhook-id": notice.id, "webhook-timestamp": str(int(time.time()))}
        if channel.secret:
            key = _key(channel.name, channel.secret)
            headers["webhook-signature"] = _signature(key, headers, body)
        post(channel.name, url, body, headers, trusted(channel.name, self._project, channel.ca))


def _signature(key: bytes, headers: dict[str, str], body: bytes) -> str:
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _key(channel: str, variable: str) -> bytes:
    """The secret's bytes: `whsec_` and base64."""
    text = secret(channel, variable).removeprefix(PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:  # no base64, or not even ASCII
        raise AlertUnset(channel=channel, variable=variable, problem="is no base64") from error
    if len(key) < LEAST:
        problem = f"has {len(key)} bytes, and {LEAST} are the least: openssl rand -base64 32"
        raise AlertUnset(channel=channel, variable=variable, problem=problem)
    return key
