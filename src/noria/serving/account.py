"""What a fleet's workers have counted, those that are gone among them, and what was lost with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from noria.serving.tally import Place, Tally, added, read_tally

PASSING = frozenset(
    {"noria_in_flight", "noria_waiting_requests", "noria_connections", "noria_log_bytes", "noria_serving"}
)
"""Gauges: what a worker that is gone had of them is over."""


@dataclass(frozen=True)
class Lost:
    """What was in a worker when it ended."""

    requests: int = 0
    """That had come whole, and whose answers had not been handed to the system."""
    connections: int = 0
    """That were open. Of each, one request more may be lost: on its way in, or its answer on the way out."""


class Account:
    """The counts of one fleet."""

    def __init__(self) -> None:
        self.workers_lost = 0
        """Workers that nobody told to end."""
        self.requests_lost = 0
        """Requests that were in flight in them."""
        self.connections_lost = 0
        """Connections that were open in them."""
        self.handed_over = 0
        """Connections that went on in another worker."""
        self._past: dict[Place, float] = {}

    def now(self, living: Iterable[Path]) -> dict[Place, float]:
        """All together; gauges of those that live alone."""
        return added(iter([self._past, *map(read_tally, living)]))

    def tell(self, tally: Tally, *, lost_beside: int = 0) -> None:
        """Put down what was lost and moved; `lost_beside`: workers of other versions that were lost too."""
        tally.put(tally.counter("noria_workers_lost"), self.workers_lost + lost_beside)
        tally.put(tally.counter("noria_requests_lost"), self.requests_lost)
        tally.put(tally.counter("noria_connections_lost"), self.connections_lost)
        tally.put(tally.counter("noria_handed_over"), self.handed_over)

    def lose(self, lost: Lost) -> None:
        """What callers lost with a worker that nobody told to end."""
        self.requests_lost += lost.requests
        self.connections_lost += lost.connections

    def close(self, counts: Path) -> Lost:
        """Take over what a worker that has ended had counted; what was in it."""
        found = read_tally(counts)
        kept = {place: value for place, value in found.items() if place.name not in PASSING}
        self._past = added(iter([self._past, kept]))
        return Lost(_sum(found, "noria_in_flight"), _sum(found, "noria_connections"))


def _sum(counts: Mapping[Place, float], name: str) -> int:
    return int(sum(value for place, value in counts.items() if place.name == name))
