"""What could not be answered, beside the prediction log, which holds answers alone.

Lines of JSON, appended to by every worker: units, while versions are compared, in one file a model; and how many, second
by second, in one file a day. Nothing is written on the way of an answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from noria.ports.serving import Failure, Unanswered

T = TypeVar("T")
LARGEST = 64 * 2**20  # bytes: half a million failures decide whatever there is to decide
MODES = 0o600  # units are in it
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
KEPT = 62  # days of counts: a monitor's longest block, and as much again

_decoder = msgspec.json.Decoder(Failure)
_counted = msgspec.json.Decoder(Unanswered)


class FailureLog:
    """A model's. For many processes."""

    def __init__(self, state: Path, model: str) -> None:
        self._path = state / "failures" / f"{model}.jsonl"

    def note(self, failure: Failure) -> None:
        """Append one, which survives this process. Raises OSError."""
        _append(self._path, failure)

    def read(self) -> Iterator[Failure]:
        """All of them, in the order in which they were written. What a full disk has cut is passed over."""
        yield from _lines(self._path, _decoder)

    def clear(self) -> None:
        """Forget them: another comparison begins."""
        self._path.unlink(missing_ok=True)


class FailureCounts:
    """A model's, by the day. For many processes."""

    def __init__(self, state: Path, model: str) -> None:
        self._folder = state / "failures" / model

    def note(self, unanswered: Unanswered) -> None:
        """Append one, which survives this process; the first of a day removes what is old. Raises OSError."""
        path = self._folder / f"{_day(unanswered.at)}.jsonl"
        first = not path.exists()
        _append(path, unanswered)
        if first:
            self._prune(_day(unanswered.at) - timedelta(days=KEPT))

    def read(self, since: datetime, until: datetime) -> Iterator[Unanswered]:
        """Those that came from `since` up to before `until`, both aware."""
        first, end = ((moment - EPOCH) // MICROSECOND for moment in (since, until))
        for path in sorted(self._folder.glob("*.jsonl")):
            if str(_day(first)) <= path.stem <= str(_day(end)):
                yield from (one for one in _lines(path, _counted) if first <= one.at < end)

    def _prune(self, before: date) -> None:
        for path in self._folder.glob("*.jsonl"):
            if path.stem < str(before):
                path.unlink(missing_ok=True)


def _day(at: int) -> date:
    return (EPOCH + MICROSECOND * at).date()


def _append(path: Path, record: msgspec.Struct) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODES)
    try:
        if os.fstat(file).st_size < LARGEST:
            # In one call: lines do not mix. The line before may have been cut by a full disk.
            os.write(file, b"\n" + msgspec.json.encode(record) + b"\n")
    finally:
        os.close(file)


def _lines(path: Path, decoder: msgspec.json.Decoder[T]) -> Iterator[T]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield decoder.decode(line)
        except msgspec.MsgspecError:
            continue
