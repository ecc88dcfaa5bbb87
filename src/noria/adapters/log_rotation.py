"""Segments that nobody writes any more become Parquet files; files that nobody needs any more are dropped.

A kill at any point loses no row and doubles none: a Parquet file has its name only once it is whole and on the disk, and
only then its segment goes; while both are there, readers take the Parquet file, and the next round removes the other.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from noria.adapters import log_segment as segments
from noria.adapters.log_dropped import Dropped, read_dropped, write_dropped
from noria.adapters.log_parquet import PARTIAL, SUFFIX, Facts, read_facts, sync_folder, write_rotated
from noria.adapters.log_rows import header_of, open_segment
from noria.ports.serving import AT, OWN_WAYS, TIME, WAY

LOCK = "rotating"  # one round at a time, whoever runs it; the kernel frees it
ABANDONED = 3600.0  # s after which a segment without a whole header has lost its writer, and holds no row
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(
    days=366
)  # an event later than this after its request is a mistake, whose label never comes


@dataclass
class Round:
    """What one round did."""

    rotated: int = 0
    rows: int = 0
    dropped: int = 0
    held: int = 0
    """Files that are old enough to go, and hold rows whose labels a monitor waits for."""


class Rotation:
    """The files of one model's log."""

    def __init__(self, root: Path, model: str) -> None:
        self._folder = root / model

    def due(self) -> bool:
        """Whether there is a segment that nobody writes any more."""
        return any(_closed(path) for path in self._folder.glob("*" + segments.SUFFIX))

    def rotate(self, done: Round) -> None:
        """Make a Parquet file of every closed segment. Nothing where another process is at it."""
        if not self._folder.is_dir():
            return
        with self._alone() as alone:
            if not alone:
                return
            for path in self._folder.glob("*" + PARTIAL):
                path.unlink()
            for path in sorted(self._folder.glob("*" + segments.SUFFIX)):
                if _closed(path):
                    self._rotate(path, done)

    def drop(self, done: Round, *, before: datetime, needed: Mapping[int, datetime | None]) -> None:
        """Drop whole files whose newest request came before a time. Of a version in `needed`, rows whose event is at
        that time or later are needed (None: all of them are), and with them their files."""
        with self._alone() if self._folder.is_dir() else _nothing() as alone:
            for path in sorted(self._folder.glob("*" + SUFFIX)) if alone else ():
                facts = read_facts(path)
                if EPOCH + timedelta(microseconds=facts.newest) >= before:
                    continue
                if facts.version in needed and _holds(path, needed[facts.version]):
                    done.held += 1
                    continue
                self._drop(path, facts)
                done.dropped += 1

    def _rotate(self, path: Path, done: Round) -> None:
        into = path.with_suffix(SUFFIX)
        if not into.exists():
            opened = open_segment(path)
            facts = write_rotated(opened, into) if opened else None
            done.rotated += 1
            done.rows += facts.rows if facts else 0
        path.unlink()
        sync_folder(self._folder)

    def _drop(self, path: Path, facts: Facts) -> None:
        if path.stem not in read_dropped(self._folder):
            own = _own(path, facts)
            write_dropped(self._folder, Dropped(path.stem, facts.version, facts.ids, facts.rows, own))
        path.unlink()
        sync_folder(self._folder)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        descriptor = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)


@contextmanager
def _nothing() -> Iterator[bool]:
    yield False


def _closed(path: Path) -> bool:
    """Whether a segment's writer has ended, or has gone on to another segment: then its lock is free."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return _begun(descriptor) or time.time() - os.fstat(descriptor).st_mtime > ABANDONED
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _begun(descriptor: int) -> bool:
    """Whether a segment's header is whole. If not, its writer may be about to lock it, and to write."""
    try:
        header_of(descriptor)
    except segments.Torn:
        return False
    return True


def _own(path: Path, facts: Facts) -> int:
    """How many rows of a file are a champion's traffic; logs of old have no ways, nor had they challengers."""
    import polars as pl

    rows = pl.scan_parquet(path)
    if WAY not in rows.collect_schema():
        return facts.rows
    own = pl.col(WAY).fill_null("").is_in(OWN_WAYS)
    return int(rows.select(own.sum()).collect().item())


def _holds(path: Path, needed: datetime | None) -> bool:
    """Whether a file has rows whose event is at a time or later, those with impossible times left out."""
    import polars as pl

    if needed is None:
        return True
    rows = pl.scan_parquet(path).select(TIME, AT).filter(pl.col(TIME) - pl.col(AT) <= AHEAD)
    return bool(rows.select((pl.col(TIME) >= needed).any()).collect().item())
