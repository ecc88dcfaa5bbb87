"""What a service asks of the outside: a log of its answers, and the source trees of its versions."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import msgspec

from noria.errors import NotFound
from noria.records.base import Digest

if TYPE_CHECKING:
    import pyarrow as pa

# The columns of a log row. A user's columns carry a prefix, so no name can collide with Noria's own.
ID = "id"
VERSION = "version"
AT = "at"  # when the request was received, UTC
TIME = "time"  # the row's event time in UTC; `at` where it has none
KEY = "key"  # `records.predictions.key_text`; null for a model without a key
UNIT = "unit"  # what is one trial; the key where the model names no unit
TOOK = "took"  # microseconds from the whole request to its answer; not in logs of old
WAY = "way"  # how the version came to answer (one of `WAYS`); not in logs of old
TRACE = "trace"  # the id of the trace that the request was part of; only in logs of a service that traces
WAYS = ("", "canary", "shadow", "asked", "instead", "hurried")
"""The champion, of itself; a challenger, for a unit of its share; a shadow, for nobody; who was asked for by name; the
champion, because the challenger whose turn it was failed or was too slow; the champion, because whoever asked would not have
waited for it after a challenger."""
OWN_WAYS = ("", "instead", "hurried")
"""Those of a champion whose callers got its answer."""
REQUEST = "request."
ANSWER = "answer."

Cursor = Mapping[str, int]
"""Where a reader stands: segment to the byte after the last row that was read, as its writer wrote it; it holds when the
segment has become a Parquet file, too. Plain JSON; empty at the start."""


@dataclass(frozen=True)
class Answered:
    """The rows of one request with their answers, about to be logged: columns beside one another, row by row."""

    version: int
    rows: pa.RecordBatch
    """`at`, `time`, `key`, `unit`, then `request.*` and `answer.*`; the log adds `id` and `version`."""


@dataclass(frozen=True)
class Logged:
    """What a reader got: whole rows only, one table a segment, in the order in which they were written."""

    tables: Sequence[pa.Table]
    cursor: Cursor
    torn: int
    """Records that a killed writer left unfinished, found by this read: requests that were never answered."""

    @property
    def rows(self) -> int:
        return sum(table.num_rows for table in self.tables)


@dataclass(frozen=True)
class Piece:
    """A part of the log that can be read by itself."""

    segment: str
    version: int
    newest: datetime | None
    """When its newest request came; None while it is being written."""
    tables: Callable[[Sequence[str] | None], Iterator[pa.Table]]
    """Its rows, as they were written, some thousands at a time; of some columns those that it has, or all for None."""


@dataclass(frozen=True)
class Found:
    """What the log knows of an id that was given out."""

    model: str
    version: int
    row: pa.Table | None
    """None: the row was left out of a sample, or was older than the log keeps it."""


@dataclass(eq=False)
class UnknownPrediction(NotFound):
    code: ClassVar[str] = "PREDICTION-UNKNOWN"
    what: ClassVar[str] = "no answer of {model} had the id {ids}{so}"
    next: ClassVar[str] = "give the `id` that came with the answer, or the row's `key`"
    model: str
    ids: Sequence[str]
    so: str = ""


NOTHING_STORED = "; nothing of this request was stored"


@dataclass(frozen=True)
class Layout:
    """What a segment's rows look like; rows of another layout go to another segment."""

    version: int
    request: int
    """How many of a row's values are the request's; the rest are the answer's."""
    schema: bytes
    """Arrow's, in its IPC form."""


class Values(msgspec.Struct, array_like=True):
    """The rows of a request with their answers, as they are logged without Arrow: in MessagePack."""

    at: int
    """When the request was received: microseconds since 1970."""
    took: int
    """Microseconds from the whole request to its answer."""
    way: str
    """How the version came to answer it: one of `WAYS`."""
    rows: Sequence[tuple[Any, ...]]
    keys: Sequence[tuple[str | None, str | None, int | None]]
    """Key, unit and event time of each row."""
    answers: Sequence[tuple[Any, ...]]
    trace: str | None = None
    """The id of the trace that the request was part of."""


class Columns(msgspec.Struct, array_like=True):
    """The rows of a large request with their answers, by column, as they are logged without Arrow: in MessagePack."""

    at: int
    took: int
    way: str
    count: int
    """Rows."""
    numbers: bytes
    """Columns of numbers without a gap, one after the other: 64-bit floats, little-endian."""
    others: Sequence[Sequence[Any] | None]
    """The values of each of the request's columns, then of each of the answer's; None for one that is in `numbers`."""
    keys: Sequence[str | None] | int | None
    """The rows' keys, or which column holds them; None where there are none."""
    units: Sequence[str | None] | None
    """None: the keys."""
    times: Sequence[int | None] | int
    """When each row happened, or all of them."""
    trace: str | None = None


VALUES, BATCH, COLUMNS = 1, 2, 5  # kinds of payloads: `Values`, an Arrow record batch, or `Columns`
NONE = 4  # no payload: the rows have ids, and were left out of the log
SOME = 16  # added to a kind: the payload holds some of the request's rows, as `some` has it


def some(places: Sequence[int], payload: bytes) -> bytes:
    """A payload of some of a request's rows, behind their places in the request."""
    return struct.pack(f"<{len(places) + 1}I", len(places), *places) + payload


class Failure(msgspec.Struct, frozen=True):
    """A request that a version gave no answer to, while it was compared with another."""

    at: int
    """When it came: microseconds since 1970."""
    version: int
    unit: str | None
    way: str


class Unanswered(msgspec.Struct, frozen=True):
    """Requests that a version gave no answer to within about a second, whose fault was not the caller's."""

    at: int
    """When they came: microseconds since 1970."""
    version: int
    codes: dict[str, int]
    """How many, by the error's code."""


class PredictionLog(Protocol):
    """Where answers are written before they leave. One writer a process, for one thread, but for `sync`."""

    @property
    def size(self) -> int:
        """Bytes written by this writer."""
        ...

    def place(self, layout: Layout, rows: int) -> tuple[str, int]:
        """What the next `take` of such rows will give, where nothing else is taken in between: whoever keeps a sample
        by its ids has to know them first. Raises as `take` does."""
        ...

    def take(self, layout: Layout, kind: int, rows: int, payload: bytes) -> tuple[str, int]:
        """Take a request's rows; segment and row of the first, from which their ids follow. Nothing is written yet.

        Raises `Unavailable` where a new segment cannot be begun.
        """
        ...

    def hand_over(self) -> None:
        """Hand all that was taken to the kernel, in one write: it survives the death of this process.

        Raises `Unavailable` when it could not be written whole (a full disk): then none of it is in the log, nothing is
        left half-written before later rows, and the next call may succeed.
        """
        ...

    def sync(self) -> None:
        """Put what was handed over on the disk: it outlives a loss of power. From any thread. Raises `Unavailable`."""
        ...

    def close(self) -> None:
        """Finish the segment; idempotent."""
        ...


class Predictions(Protocol):
    """What all writers wrote, read beside them. Safe in many processes."""

    def read(
        self, model: str, cursor: Cursor, *, limit: int = 1_000_000, version: int | None = None
    ) -> Logged:
        """The rows after `cursor`, each one once over a chain of cursors; about `limit` rows at most, so call again
        until none come. With `version`, rows of other versions may be left out, and some may still come; the cursors
        of such a chain are for this version alone."""
        ...

    def known(self, model: str, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that a prediction of this model was answered with, whether its row was kept or not."""
        ...

    def pieces(
        self, model: str, *, version: int | None = None, since: datetime | None = None
    ) -> Sequence[Piece]:
        """What the log has of a version, or of all, and of requests since a time: more may be in it, and nothing is
        left out. Those with the newest requests first."""
        ...

    def find(self, id: str, model: str | None = None) -> Found | None:
        """An answer by its id; of any model when none is given. None for an id that was never given out."""
        ...

    def dropped(self, model: str, version: int) -> int:
        """Rows that a version answered in one of `OWN_WAYS` and that the log no longer has, because they were older than it
        keeps them; of files that went before this was counted, all."""
        ...


class CodeTrees(Protocol):
    """Versions' source trees as files."""

    def materialise(self, tree: Digest) -> Path:
        """The folder that holds the tree, made unless it is there. Raises `NotFound` or `Corrupt`."""
        ...
