"""Predictions gathered into blocks of event time, until their labels have had time to come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that blocks of a week start on Mondays


@dataclass(frozen=True)
class Ready:
    """A block whose time has come: all of its predictions that were seen."""

    start: datetime
    end: datetime
    predictions: pa.Table


def block_span(block: str) -> timedelta:
    """How long a cohort lasts; rows as blocks are gathered by the hour, and still count one by one."""
    from noria.statistics import block_width

    if block == "row":
        return timedelta(hours=1)
    return timedelta(microseconds=block_width(block).astype(int).item())


class Gathered:
    """Predictions of one version, by block; each row is added once and handed out once."""

    def __init__(self, width: timedelta, *, since: datetime | None = None) -> None:
        self._width = width
        self._since = since
        self._blocks: dict[datetime, list[pa.Table]] = {}
        self.late = 0
        """Predictions whose block had been scored before they were seen."""

    def add(self, predictions: pa.Table, time: str) -> None:
        """Sort a batch into its blocks by the UTC timestamps in column `time`."""
        import polars as pl

        if predictions.num_rows == 0:
            return
        frame = pl.DataFrame(predictions)
        micros = (
            frame[time].cast(pl.Datetime("us", "UTC")).cast(pl.Int64) - int(EPOCH.timestamp()) * 1_000_000
        )
        index = micros // (self._width // timedelta(microseconds=1))
        for (number,), part in frame.with_columns(_block=index).group_by("_block", maintain_order=True):
            start = EPOCH + int(str(number)) * self._width
            if self._since is not None and start < self._since:
                self.late += part.height
            else:
                self._blocks.setdefault(start, []).append(part.drop("_block").to_arrow())

    def mature(self, now: datetime, age: timedelta) -> Iterator[Ready]:
        """Hand out, in order, each block whose end is at least `age` ago."""
        import pyarrow as pa

        for start in sorted(self._blocks):
            end = start + self._width
            if end + age > now:
                return
            self._since = end
            yield Ready(start=start, end=end, predictions=pa.concat_tables(self._blocks.pop(start)))

    @property
    def waiting(self) -> int:
        """Predictions whose labels have not had time to come."""
        return sum(part.num_rows for parts in self._blocks.values() for part in parts)
