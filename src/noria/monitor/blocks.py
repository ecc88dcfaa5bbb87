"""Predictions gathered into blocks of event time, until their labels have had time to come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

UNIX = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday, so that blocks of a week start on Mondays
AHEAD = timedelta(days=31)  # a forecast may be asked a month ahead; an event further off is a mistake
MICROSECOND = timedelta(microseconds=1)
FIRST = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND  # before it, a datetime has no name


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


def from_the_future(time: str, at: str, width: timedelta) -> pl.Expr:
    """Whether a row's event, in column `time`, lies further after its request, in column `at`, than a block and
    `AHEAD` allow: a clock or a unit gone wrong, and a label that will not come. Integers: no time overflows."""
    return _micros(time) - _micros(at) > max(width, AHEAD) // MICROSECOND


def block_numbers_of(time: str, width: timedelta) -> pl.Expr:
    """The block of each row's event, in column `time`, counted from EPOCH."""
    return (_micros(time) - (EPOCH - UNIX) // MICROSECOND) // (width // MICROSECOND)


class Gathered:
    """Predictions of one version, by block; each row is added once.

    `since`: the end of the last block that was scored before; `scored`: the predictions in the blocks until then.
    """

    def __init__(self, width: timedelta, *, since: datetime | None = None, scored: int = 0) -> None:
        self._width = width
        self._since = None if since is None else (since - EPOCH) // MICROSECOND
        self._scored = scored
        self._passed = 0
        self._blocks: dict[int, list[pa.Table]] = {}  # by their start, in microseconds since EPOCH
        self.future = 0
        """Predictions whose event lies too far after their request; see `from_the_future`."""

    def add(self, predictions: pa.Table, *, time: str, at: str) -> None:
        """Sort a batch into its blocks by the UTC timestamps in column `time`; `at` holds those of the requests."""
        import polars as pl

        frame = pl.DataFrame(predictions)
        sound = frame.filter(~from_the_future(time, at, self._width))
        self.future += frame.height - sound.height
        width = self._width // MICROSECOND
        index = block_numbers_of(time, self._width)
        for (number,), part in sound.with_columns(_block=index).group_by("_block", maintain_order=True):
            start = int(str(number)) * width
            if self._since is not None and start < self._since:
                self._passed += part.height
            else:
                self._blocks.setdefault(start, []).append(part.drop("_block").to_arrow())

    def mature(self, now: datetime, age: timedelta) -> Iterator[Ready]:
        """Each block whose end is at least `age` ago, in order. It is gone once the next one is asked for: who fails
        in between gets it again from another call."""
        import pyarrow as pa

        until = (now - age - EPOCH) // MICROSECOND
        for start in sorted(self._blocks):
            end = start + self._width // MICROSECOND
            if end > until:
                return
            whole = pa.concat_tables(self._blocks[start], promote_options="default")  # of several layouts
            yield Ready(_moment(start), _moment(end), whole)
            del self._blocks[start]
            self._since = end

    @property
    def waiting(self) -> int:
        """Predictions whose labels have not had time to come."""
        return sum(part.num_rows for parts in self._blocks.values() for part in parts)

    @property
    def late(self) -> int:
        """Predictions whose block had been scored before they were seen."""
        return max(0, self._passed - self._scored)


def _micros(column: str) -> pl.Expr:
    """A column of times in microseconds since 1970."""
    import polars as pl

    return pl.col(column).cast(pl.Datetime("us", "UTC")).cast(pl.Int64)


def _moment(micros: int) -> datetime:
    """A time by its microseconds since EPOCH; the first that a datetime can say for those before it."""
    return EPOCH + max(micros, FIRST) * MICROSECOND
