"""What a channel's setting names outside of noria.toml: variables and files."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from noria.adapters.alerts.errors import AlertRefused, AlertUnset


def secret(channel: str, variable: str) -> str:
    """A variable's value. Raises `AlertUnset`."""
    value = os.environ.get(variable, "")
    if not value:
        raise AlertUnset(channel=channel, variable=variable)
    return value


def address(channel: str, url: str, variable: str) -> str:
    """The address that stands in the setting or in the variable. Raises `AlertUnset`."""
    found = url or secret(channel, variable)
    if not found.startswith(("https://", "http://")):
        raise AlertUnset(
            channel=channel, variable=variable, problem="holds no address that begins with https://"
        )
    return found


def trusted(channel: str, project: Path, ca: str) -> ssl.SSLContext:
    """Whom to believe: the authorities in a file, else the system's. Raises `AlertRefused`."""
    try:
        return ssl.create_default_context(cafile=str(project / ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise AlertRefused(channel=channel, where=ca, why=f"no authorities in it: {error}") from error
