"""Alarms in a file, a JSON document a line: for who reads files, and for a machine without a network."""

from __future__ import annotations

import os
from pathlib import Path

from noria.adapters.alerts.errors import AlertRefused
from noria.records.alarms import Notice
from noria.records.base import canonical


class LogAlert:
    """See `noria.ports.alerts.Alert`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, notice: Notice) -> None:
        """On the disk when it returns; lines of several processes do not mix, for each is one write at the end."""
        line = canonical(notice) + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(descriptor, line)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            why = error.strerror or str(error)
            raise AlertRefused(channel="log", where=str(self._path), why=why) from error
