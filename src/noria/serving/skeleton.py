"""What stays the same in one client's requests, so that only their values need to be read.

A client writes each request with the same names, shapes and white space. Once such a request of one row was read tensor by
tensor, its text becomes a pattern with a gap for each value; a later request that fits it is the same but for what fills
the gaps, and these, as one array of JSON, are decoded by the types of the columns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

KEPT = (
    4  # patterns; a service has few kinds of clients, and each pattern that does not fit costs a microsecond
)
LONGEST = 64 * 2**10  # bytes of a request that is worth a pattern

_DATA = re.compile(rb'"data"\s*:\s*\[([^\[\]]*)\]')
_ID = re.compile(rb'"id"\s*:\s*"([^"\\]*)"')
_NUMBER, _TEXT, _NAME = rb'([^\[\]{}"]*)', rb'\s*("[^"\\]*"|null)\s*', rb'([^"\\]*)'


@dataclass(frozen=True)
class Skeleton:
    """One pattern, and how its gaps become a row."""

    match: Callable[[bytes], re.Match[bytes] | None]
    decode: Callable[[bytes], tuple[Any, ...]]
    ordered: Callable[[tuple[Any, ...]], tuple[Any, ...]] | None
    """From the order of the tensors to the signature's; None where they are the same."""
    id: int | None
    """Which gap is the request's id."""

    def read(self, body: bytes) -> tuple[tuple[Any, ...], str | None] | None:
        """The row and the id; None for a request that does not fit. Raises `MsgspecError` for values that do not."""
        found = self.match(body)
        if found is None:
            return None
        gaps = found.groups()
        id = None
        if self.id is not None:
            id = gaps[self.id].decode()
            gaps = gaps[: self.id] + gaps[self.id + 1 :]
        # Each gap holds one value: an empty one is no JSON, and with two in one there would be too many.
        values = self.decode(b"[" + b",".join(gaps) + b"]")
        return (values if self.ordered is None else self.ordered(values)), id


def skeleton_of(body: bytes, kinds: Sequence[Any], places: Sequence[int], *, named: bool) -> Skeleton | None:
    """The pattern of a request of one row that was read: `kinds` of the values and their `places` in the row, in the
    order of the tensors. None where its text leaves a doubt about what is a value."""
    data, ids = list(_DATA.finditer(body)), list(_ID.finditer(body))
    if len(body) > LONGEST or len(data) != len(kinds) or len(ids) != named:
        return None
    gaps = [
        (*found.span(1), _TEXT if _is_text(kind) else _NUMBER)
        for found, kind in zip(data, kinds, strict=True)
    ]
    gaps = sorted([*gaps, *((*found.span(1), _NAME) for found in ids)])
    parts, at = [], 0
    for start, end, gap in gaps:
        parts += [re.escape(body[at:start]), gap]
        at = end
    pattern = re.compile(b"".join([*parts, re.escape(body[at:])]))
    return Skeleton(
        pattern.fullmatch,
        msgspec.json.Decoder(tuple[tuple(kinds)]).decode,  # type: ignore[misc]
        _reordering(places),
        next((number for number, gap in enumerate(gaps) if gap[2] is _NAME), None),
    )


def _is_text(kind: Any) -> bool:
    return kind is str or kind == str | None


def _reordering(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]] | None:
    if list(places) == list(range(len(places))):
        return None
    return itemgetter(*sorted(range(len(places)), key=places.__getitem__))
