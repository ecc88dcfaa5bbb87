"""The small values that JSON lacks: one tag, one way to write and one way to read each."""

from __future__ import annotations

import base64
import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Facts = dict[str, Any]


class Atom(NamedTuple):
    """How one type is written beside its tag."""

    tag: str
    write: Callable[[Any], Facts]
    read: Callable[[Facts], Any]


def _write_datetime(value: dt.datetime) -> Facts:
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key:
        return {"value": value.replace(tzinfo=None).isoformat(), "zone": value.tzinfo.key, "fold": value.fold}
    return {"value": value.isoformat()}


def _read_datetime(facts: Facts) -> dt.datetime:
    value = dt.datetime.fromisoformat(facts["value"])
    return value.replace(tzinfo=ZoneInfo(facts["zone"]), fold=facts["fold"]) if "zone" in facts else value


def _write_span(value: dt.timedelta) -> Facts:
    return {"value": [value.days, value.seconds, value.microseconds]}


def _as_text(tag: str, read: Callable[[str], Any]) -> Atom:
    return Atom(tag, lambda value: {"value": str(value)}, lambda facts: read(facts["value"]))


ATOMS: dict[type, Atom] = {
    dt.datetime: Atom("datetime", _write_datetime, _read_datetime),
    dt.date: _as_text("date", dt.date.fromisoformat),
    dt.time: _as_text("time", dt.time.fromisoformat),
    dt.timedelta: Atom("timedelta", _write_span, lambda facts: dt.timedelta(*facts["value"])),
    Decimal: _as_text("decimal", Decimal),
    uuid.UUID: _as_text("uuid", uuid.UUID),
    bytes: Atom(
        "bytes",
        lambda value: {"value": base64.b64encode(value).decode()},
        lambda facts: base64.b64decode(facts["value"]),
    ),
    int: _as_text("int", int),  # beyond 64 bits, where readers of JSON part ways
}

READERS: dict[str, Callable[[Facts], Any]] = {atom.tag: atom.read for atom in ATOMS.values()}
