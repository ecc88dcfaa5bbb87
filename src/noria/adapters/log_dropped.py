"""What was dropped from the prediction log because of its age: `MODEL/dropped.ndjson`, a line a segment.

Its ids were given out, so labels may still come for them; and who counts rows has to know how many there were.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from noria.adapters.log_parquet import sync_folder

FILE = "dropped.ndjson"


class Dropped(msgspec.Struct, frozen=True):
    """A segment that is gone."""

    segment: str
    version: int
    ids: int
    rows: int
    own: int | None = None
    """Rows of a champion's traffic (`OWN_WAYS`); not in lines of old."""


def read_dropped(folder: Path) -> dict[str, Dropped]:
    """By segment. A line that is not whole was never acted on."""
    try:
        whole, _, _ = (folder / FILE).read_bytes().rpartition(b"\n")
    except FileNotFoundError:
        return {}
    found = (msgspec.json.decode(line, type=Dropped) for line in whole.splitlines() if line)
    return {one.segment: one for one in found}


def write_dropped(folder: Path, one: Dropped) -> None:
    """Note it on the disk, before its file goes. One writer at a time."""
    path = folder / FILE
    with path.open("a+b") as file:
        _cut_back(file.fileno())
        file.write(msgspec.json.encode(one) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def _cut_back(descriptor: int) -> None:
    """Take away a line that a killed writer left half written."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, 4096, max(0, size - 4096))
    whole = tail.rfind(b"\n") + 1
    if whole < len(tail):
        os.ftruncate(descriptor, size - len(tail) + whole)
