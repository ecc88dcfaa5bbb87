"""Artifacts: addressed bytes with a codec, and what can be said of them without reading them."""

from __future__ import annotations

from noria.records.base import Digest, Record


class Column(Record):
    """One column of a table, its type in Arrow's words (`double`, `large_string`, `timestamp[us, tz=UTC]`)."""

    name: str
    type: str
    nullable: bool = True


class Artifact(Record):
    """A step's output: the bytes' digest, how to read them, and their outline."""

    digest: Digest
    codec: str
    size: int
    """Bytes."""
    type: str = ""
    """The Python type that was stored, for people and for `diff`: `polars.DataFrame`."""
    rows: int | None = None
    columns: tuple[Column, ...] = ()
    unsafe: bool = False
    """True for pickle: reading it runs code."""
