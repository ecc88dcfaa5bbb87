"""What really happened: the rows as they were asked, and the labels as they became known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from noria.artifacts.tables import to_arrow
from noria.declare import Resolved
from noria.declare.steps import AS_OF
from noria.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

CHUNK = 250  # rows of one request: what a caller who asks by the hour would send


@dataclass(eq=False)
class NoHistory(ConfigError):
    code: ClassVar[str] = "REPLAY-HISTORY"
    what: ClassVar[str] = (
        "{model} cannot be replayed: its data step does not say what was asked and known when"
    )
    next: ClassVar[str] = (
        "name its key, time, known and label: @data(key=..., time=..., known=..., label=...)"
    )
    model: str


@dataclass(frozen=True)
class Day:
    """One step of the replay: questions asked from `start` to `end`, and labels that became known in it."""

    start: datetime
    end: datetime
    rows: pl.DataFrame
    labels: pl.DataFrame


class History:
    """All rows of a pipeline's data step, whenever they became known."""

    def __init__(self, resolved: Resolved, until: datetime) -> None:
        import polars as pl

        request, spec = resolved.request, resolved.data
        if request is None or not (spec.key and spec.time and spec.known and spec.label):
            raise NoHistory(model=resolved.name)
        arguments = {AS_OF: until} if AS_OF in request.inputs else {}
        self.spec = spec
        self.time, self.known, self.label = spec.time, spec.known, spec.label
        self.rows: pl.DataFrame = pl.DataFrame(to_arrow(request.function(**arguments, **request.parameters)))

    def days(self, start: datetime, end: datetime, step: timedelta) -> Iterator[Day]:
        """Step by step from `start` to `end`."""
        import polars as pl

        asked = self.rows.filter(pl.col(self.time).is_between(start, end, closed="left")).sort(self.time)
        known = asked.filter(pl.col(self.known).is_not_null()).sort(self.known)
        while start < end:
            stop = min(start + step, end)
            yield Day(
                start=start,
                end=stop,
                rows=asked.filter(pl.col(self.time).is_between(start, stop, closed="left")),
                labels=known.filter(pl.col(self.known).is_between(start, stop, closed="left")),
            )
            start = stop

    def requests(self, day: Day) -> Iterator[list[dict[str, Any]]]:
        """The day's questions as request bodies: no label, nothing from after the question."""
        visible = day.rows.drop([name for name in self.spec.hidden if name in day.rows.columns])
        for part in visible.iter_slices(CHUNK):
            yield part.to_dicts()

    def feedback(self, day: Day) -> list[dict[str, Any]]:
        """The labels that became known, by key."""
        keys = day.labels.select(self.spec.key).rows()
        values = day.labels.select(self.label, self.known).rows()
        return [
            {"key": key[0] if len(key) == 1 else list(key), "label": label, "known": known}
            for key, (label, known) in zip(keys, values, strict=True)
        ]
