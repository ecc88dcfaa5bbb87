"""What alarms ask of the outside: somebody who is told."""

from __future__ import annotations

from typing import Protocol

from noria.records.alarms import Notice


class Alert(Protocol):
    """A channel to people or to another system."""

    def send(self, notice: Notice) -> None:
        """Tell it; returns once the other side has taken it. The same notice may come twice, with the same id: after a
        kill nobody knows whether it was taken. Waits ten seconds or so at most. Raises `Unavailable` when nobody
        answers now, `BackendError` when it was refused or a setting does not hold."""
        ...
