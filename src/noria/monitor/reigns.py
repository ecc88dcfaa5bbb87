"""When a version was the champion: traffic that was another's, or came for half a block, says nothing of who asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from noria.records.events import AliasMoved


class Reigns:
    """Those of one version; it may have several, for a rollback brings it back."""

    def __init__(self, moves: Iterable[tuple[datetime, AliasMoved]], version: int) -> None:
        """`moves`: of the alias `champion`, in order, each with when it happened."""
        self._spans: list[tuple[datetime, datetime | None]] = []
        since: datetime | None = None
        for at, move in moves:
            if since is not None and move.after != version:
                self._spans.append((since, at))
                since = None
            elif since is None and move.after == version:
                since = at
        if since is not None:
            self._spans.append((since, None))

    @property
    def began(self) -> datetime | None:
        """When its first began; None for a version that was never the champion."""
        return self._spans[0][0] if self._spans else None

    def cuts(self, start: datetime, end: datetime) -> bool:
        """Whether a reign begins or ends within a block."""
        ends = (at for span in self._spans for at in span if at is not None)
        return any(start < at < end for at in ends)

    def whole(self, start: datetime, end: datetime) -> bool:
        """Whether it was the champion from the start of a block to its end."""
        return any(since <= start and (until is None or end <= until) for since, until in self._spans)
