"""How a prediction is named: by the id that its answer carried, or by the key of its row.

An id is `SEGMENT-ROW`: the segment of the prediction log that holds it, and its row there, both in Crockford's
base 32. A segment's name begins with the millisecond at which it was opened, so ids sort by time; and the log
itself tells whether an id was ever given out, without an index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

from noria.records.base import canonical

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # in the order of ASCII, so that text sorts as the numbers do
WHEN, SALT, ROW = 9, 4, 7  # characters: milliseconds until the year 3084, 20 random bits, 34 billion rows
ROWS = 32**ROW  # rows that a segment can name

_PATTERN = re.compile(rf"([{ALPHABET}]{{{WHEN + SALT}}})-([{ALPHABET}]{{{ROW}}})")
_VALUES = {letter: value for value, letter in enumerate(ALPHABET)}
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)


def segment_name(millisecond: int, salt: int) -> str:
    """The name of a segment opened at that time; `salt` is random, and keeps two writers' segments apart."""
    return _digits(millisecond, WHEN) + _digits(salt % 32**SALT, SALT)


def prediction_ids(segment: str, first: int, count: int) -> Iterator[str]:
    """The ids of `count` rows in a row, from row `first` of a segment on."""
    block, low = divmod(first, 1024)
    head = f"{segment}-{_digits(block, ROW - 2)}"
    for _ in range(count):
        yield head + _PAIRS[low]
        low += 1
        if low == 1024:
            block, low = block + 1, 0
            head = f"{segment}-{_digits(block, ROW - 2)}"


class IdWriter:
    """Ids one by one: as `prediction_ids`, for those who ask for the next of a segment again and again."""

    def __init__(self) -> None:
        self._segment = ""
        self._block = -1
        self._head = ""

    def one(self, segment: str, row: int) -> str:
        block = row >> 10
        if block != self._block or segment is not self._segment:
            self._segment, self._block = segment, block
            self._head = f"{segment}-{_digits(block, ROW - 2)}"
        return self._head + _PAIRS[row & 1023]


def parse_id(text: str) -> tuple[str, int] | None:
    """Segment and row of an id; None for what is no id."""
    found = _PATTERN.fullmatch(text)
    if found is None:
        return None
    row = 0
    for letter in found[2]:
        row = row * 32 + _VALUES[letter]
    return found[1], row


def key_text(values: Sequence[object]) -> str:
    """A row's key as the log and the feedback store it: the value itself as text; a composite key as the canonical
    JSON array of its values. Times are UTC in ISO 8601; whoever joins by key writes it with this function."""
    if len(values) == 1:
        value = _plain(values[0])
        return value if isinstance(value, str) else canonical(value).decode()
    return canonical([_plain(value) for value in values]).decode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        moment = value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
        return moment.replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else value


def _digits(value: int, width: int) -> str:
    letters = []
    for _ in range(width):
        value, digit = divmod(value, 32)
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))
