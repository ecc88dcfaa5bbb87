"""What a table looks like, and what is wrong with it."""

from __future__ import annotations

from typing import Literal

from noria.records.base import Digest, Json, Record

Severity = Literal["refuse", "warn"]


class ColumnProfile(Record, kw_only=True):
    """One column's outline."""

    name: str
    type: str
    """Arrow's name of the type."""
    rows: int
    missing: int
    """Nulls, and NaN in columns of floats."""
    distinct: int | None = None
    """Exact up to the profile's limit; None beyond it."""
    low: Json = None
    """The smallest finite value: a number, a text, or a time in ISO 8601."""
    high: Json = None
    mean: float | None = None
    deviation: float | None = None
    """Of the sample, for numbers."""
    quantiles: tuple[float, ...] = ()
    """At 1, 5, 25, 50, 75, 95, 99 %, for numbers and times (seconds since 1970)."""
    top: tuple[tuple[Json, int], ...] = ()
    """The most frequent values with their counts, for what is not a measured number."""
    levels: tuple[str, ...] | None = None
    """All categories of a text or boolean column, where there are few enough to list."""
    counts: tuple[int, ...] = ()
    """Rows of each of these."""
    tells: float | None = None
    """How much the column says of the label, from 0 to 1: the square of the correlation for numbers, the share of the
    label's variance between categories; None for what is hidden from the model, and for what is neither."""


class Profile(Record, kw_only=True):
    """A table's outline; stored as canonical JSON under its own digest."""

    rows: int
    columns: tuple[ColumnProfile, ...]


class Finding(Record, kw_only=True):
    """One thing that a check found in new data."""

    check: str
    """`schema`, `missing`, `range`, `categories`, `duplicates`, `leakage`, `overlap`, `volume`, or a check step."""
    column: str | None = None
    severity: Severity = "refuse"
    what: str
    """One sentence with the figures."""


class ManifestFile(Record):
    """One file that a data step read."""

    path: str
    """Beneath the manifest's root, with forward slashes."""
    digest: Digest
    size: int
    tag: str = ""
    """Of a bucket: what its service calls this content."""
    version: str = ""
    """Of a bucket that keeps versions: this one's id."""


class Manifest(Record, kw_only=True):
    """Files that a data step read, sorted by path."""

    root: str
    """A folder or an address, without credentials."""
    pattern: str
    files: tuple[ManifestFile, ...]
    kept: bool = True
    """Whether their bytes lie in the object store, under their digests."""
