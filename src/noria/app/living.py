"""Whether a service that has a record still runs: where it is killed, its record and its socket's file stay."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.read import running
from noria.records.service import Service

if TYPE_CHECKING:
    from noria.app.wiring import App

SILENT = timedelta(seconds=30)  # six times as long as a service lets pass between two signs of life
FORGOTTEN = timedelta(days=1)  # by then it does not come back; if it does, it announces itself again


def lives(service: Service, now: datetime) -> bool:
    """Whether it runs: on this machine by whether its admin socket is listened at, for its process id may be another's by
    now; on another machine by when it was last heard of."""
    if not service.admin:  # of an older Noria
        return running(service.pid)
    return listens(service.admin) if Path(service.admin).exists() else now - service.seen < SILENT


def listens(path: str) -> bool:
    """Whether somebody does at this socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # it is another user's, or busy: who asks it is told
            return True
    return True


def withdraw_gone(app: App) -> None:
    """Withdraw the records of services that were killed here, and of others that nobody has heard of for a day."""
    now = app.clock.now()
    for service in app.records.services.services():
        was_here = bool(service.admin) and Path(service.admin).exists()
        if not lives(service, now) and (was_here or now - service.seen > FORGOTTEN):
            app.records.services.withdraw(service.id)
