"""One POST, as channels over HTTP need it."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from noria.adapters.alerts.errors import AlertRefused, AlertUnreached, said_of

TIMEOUT = 10.0  # s; a receiver takes a message in milliseconds, and the watch waits meanwhile
SAID = 200  # characters of a refusal that are kept
LATER = {408, 425, 429}  # statuses under 500 that ask to come again


def post(channel: str, url: str, body: bytes, headers: Mapping[str, str], tls: ssl.SSLContext) -> None:
    """Send JSON; any status of 2xx is an answer. Nobody is followed elsewhere: a secret is for the address that the
    setting names. Raises `AlertUnreached` for what may pass, `AlertRefused` for what will not."""
    opener = urllib.request.build_opener(_Staying(), urllib.request.HTTPSHandler(context=tls))
    try:
        asked = urllib.request.Request(
            url,
            data=body,
            headers={"Content-Type": "application/json", "User-Agent": "noria", **headers},
            method="POST",
        )
        with opener.open(asked, timeout=TIMEOUT):
            return
    except urllib.error.HTTPError as error:
        with error:
            why = f"status {error.code} {_said(error)}".strip()
        if error.code >= 500 or error.code in LATER:
            raise AlertUnreached(channel=channel, where=place(url), why=why) from error
        raise AlertRefused(channel=channel, where=place(url), why=why) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise AlertRefused(channel=channel, where=place(url), why=str(error.reason)) from error
        raise AlertUnreached(channel=channel, where=place(url), why=str(error.reason)) from error
    except http.client.InvalidURL as error:  # its words hold the path
        why = "no address that can be asked"
        raise AlertRefused(channel=channel, where=place(url), why=why) from error
    except ValueError as error:
        raise AlertRefused(channel=channel, where=place(url), why=said_of(error)) from error
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        raise AlertUnreached(channel=channel, where=place(url), why=why) from error


def place(url: str) -> str:
    """Where an address leads, without its path: that of an incoming webhook is a secret."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "its address"


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return " ".join(error.read(4 * SAID).decode(errors="replace").split())[:SAID]
    except (OSError, http.client.HTTPException) as broken:  # the status is known, its text was cut off
        return f"and no text: {broken}"


class _Staying(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None
