"""Time as a dependency."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; aware, UTC, never going back within a process."""

    def now(self) -> datetime: ...


class RealClock:
    """The machine's time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class VirtualClock:
    """A time that moves when told: a year of production replayed in minutes, with production's code."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a virtual clock starts at an aware datetime")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance(self, to: datetime | timedelta) -> datetime:
        """Move forward, to a time or by a span; raises ValueError on going back."""
        target = self._now + to if isinstance(to, timedelta) else to.astimezone(UTC)
        if target < self._now:
            raise ValueError(f"the clock stands at {self._now} and cannot go back to {target}")
        self._now = target
        return target
