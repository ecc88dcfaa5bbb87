"""The base of all records, their one canonical JSON form, and their digest."""

from __future__ import annotations

import functools
import math
import re
import threading
from datetime import UTC, datetime
from typing import Any, NewType, TypeVar, cast, dataclass_transform

import blake3
import msgspec

Digest = NewType("Digest", str)
"""`blake3:` and 64 hex digits."""

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""What a parameter or a label may be: finite numbers only."""

R = TypeVar("R")


# Type checkers forget that both are inherited.
@dataclass_transform(frozen_default=True, kw_only_default=True)
class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An immutable noun. A field added later has a default, so that old digests stay what they were."""


_building = threading.Lock()
_encoder = msgspec.json.Encoder(order="sorted")
_NULL = b"null"
_DOUBTFUL = re.compile(rb"T\d\d:\d\d:\d\d(?:\.\d+)?(?![\d.]|Z)")
"""JSON that may hold what `canonical` has to refuse or to change: a NaN is written as null, a time may be without a zone or
in another one. The rest is canonical as it is. Two searches, for each knows the letter that it begins with."""


def canonical(record: object) -> bytes:
    """The one JSON form of a record: sorted keys, no blanks, UTC times, defaults left out.

    Raises ValueError for what would not come back as it was: NaN and infinities (JSON would make them null), and
    times without a zone.
    """
    quick = _encoder.encode(record)
    if _NULL not in quick and _DOUBTFUL.search(quick) is None:
        return quick
    plain = msgspec.to_builtins(record, builtin_types=(datetime,))
    try:
        return _encoder.encode(_in_utc(plain))
    except _Unfit as error:
        raise ValueError(_complaint(plain, "")) from error


def parse(data: bytes | str, kind: type[R]) -> R:
    """A record back from its JSON form. Raises msgspec.ValidationError when it does not fit."""
    return decoder_of(kind).decode(data)


def decoder_of(kind: type[R]) -> msgspec.json.Decoder[R]:
    """What decodes a kind of record from JSON, built once, when it is first needed. One at a time: msgspec takes the whole
    process down where two threads are the first to meet the same record."""
    with _building:
        decoder: msgspec.json.Decoder[R] = _decoder(cast("Any", kind))
        return decoder


@functools.cache
def _decoder(kind: Any) -> Any:
    return msgspec.json.Decoder(kind)


def digest_of(record: object) -> Digest:
    """The digest of a record's canonical form."""
    return digest_bytes(canonical(record))


def digest_bytes(data: bytes | memoryview) -> Digest:
    """The digest of some bytes."""
    return Digest("blake3:" + blake3.blake3(data).hexdigest())


def short(digest: str) -> str:
    """The first 12 hex digits: enough for a reader, never for a look-up."""
    return digest.removeprefix("blake3:")[:12]


class _Unfit(Exception):
    """Somewhere in a value is what JSON cannot hold; where, is found only then, since looking costs time."""


def _in_utc(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int:  # most of what records hold
        return value
    if kind is dict:
        return {key: _in_utc(inner) for key, inner in value.items()}
    if kind is list or kind is tuple:
        return [_in_utc(inner) for inner in value]
    if _fault(value):
        raise _Unfit
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _fault(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"is {value}, which canonical JSON cannot hold"
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"is {value}, a time without a zone"
    return ""


def _complaint(value: object, path: str) -> str:
    """The first fault inside a value, with its path; empty when there is none."""
    parts: list[tuple[str, object]] = []
    if isinstance(value, dict):
        parts = [(f"{path}.{key}", inner) for key, inner in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{path}[{position}]", inner) for position, inner in enumerate(value)]
    elif fault := _fault(value):
        return f"{path.lstrip('.') or 'value'} {fault}"
    return next(filter(None, (_complaint(inner, inside) for inside, inner in parts)), "")
