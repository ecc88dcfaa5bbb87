"""A label and a row's key in the types of a version's data, whichever door they come through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from noria.graph.columns import Kind, Misfit, as_json, kind_of, shown
from noria.records.base import Json
from noria.records.predictions import Hashing, key_text
from noria.records.versions import Version

KNOWN = "timestamp[us, tz=UTC]"  # the type of the time at which a label became known


class Unfit(Exception):
    """What was given, and what was expected in its place; both for people."""

    def __init__(self, given: str, expected: str) -> None:
        super().__init__(f"given {given}, expected {expected}")
        self.given = given
        self.expected = expected


def label_kind(version: Version) -> Kind | None:
    """The kind of the label's column; None for a version without one. Raises `CannotCarry`."""
    types = {column.name: column.type for column in version.data.columns}
    if version.label is None or version.label not in types:
        return None
    return kind_of(version.label, types[version.label])


def read_label(version: Version, value: object, *, written: bool = False) -> Json:
    """A label as it is stored: in the type of the label's column, so that it can be scored. `written`: it comes from a
    file or a command line, where a text may stand for a number. Raises `Unfit`, `CannotCarry`."""
    kind = label_kind(version)
    if kind is None:
        raise Unfit(shown(value), f"no label: {version.model} has none, @data(label=...) names one")
    return as_json(read_one(kind, value, kind.expected, written=written))


def read_key(
    version: Version, parts: Sequence[object], *, written: bool = False, hashing: Hashing | None = None
) -> str:
    """A row's key as the prediction log writes it, from a value for each of the key's columns; hashed where the log
    hashes it. Raises `Unfit`, `CannotCarry`."""
    types = {column.name: column.type for column in version.signature.request}
    values = []
    for name, part in zip(version.signature.key, parts, strict=True):
        kind = kind_of(name, types[name])
        value = read_one(kind, part, f"{kind.expected}, as {name}", written=written)
        values.append(value if hashing is None else hashing.of(name, value))
    text = key_text(values)
    if "\0" in text:
        raise Unfit(shown(text), "a key without NUL, for which no database keeps labels")
    return text


def read_one(kind: Kind, value: object, expected: str, *, written: bool) -> Any:
    """A value as a column of that kind holds it, in Python's terms. Raises `Unfit` with what was `expected`."""
    try:
        return kind.one_written(value) if written else kind.one(value)
    except Misfit as misfit:
        raise Unfit(str(misfit), expected) from misfit
