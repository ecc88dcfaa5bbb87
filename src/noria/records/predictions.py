"""How a prediction is named: by the id that its answer carried, or by the key of its row.

An id is `SEGMENT-ROW`: the segment of the prediction log that holds it, and its row there, both in Crockford's
base 32. A segment's name begins with the millisecond at which it was opened, so ids sort by time; and the log
itself tells whether an id was ever given out, without an index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from blake3 import blake3

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
    end = first + count
    while first < end:
        block, low = divmod(first, 1024)
        head = f"{segment}-{_digits(block, ROW - 2)}"
        pairs = _PAIRS[low : low + end - first]
        yield from [head + pair for pair in pairs]
        first += len(pairs)


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


def opened_at(segment: str) -> datetime:
    """When a segment was opened."""
    millisecond = 0
    for letter in segment[:WHEN]:
        millisecond = millisecond * 32 + _VALUES[letter]
    return datetime.fromtimestamp(millisecond / 1000, UTC)


def key_text(values: Sequence[object]) -> str:
    """A row's key as the log and the feedback store it: the value itself as text; a composite key as the canonical
    JSON array of its values. Times are UTC in ISO 8601; whoever joins by key writes it with this function."""
    if len(values) == 1:
        value = _plain(values[0])
        return value if isinstance(value, str) else canonical(value).decode()
    return canonical([_plain(value) for value in values]).decode()


@dataclass(frozen=True)
class Hashing:
    """Which columns the log holds hashed, and the secret of it: without that, nobody finds a value by trying."""

    columns: frozenset[str]
    secret: bytes
    """32 bytes."""

    def of(self, name: str, value: object) -> object:
        """A column's value as the log has it; a null stays one."""
        return self.text(value) if name in self.columns and value is not None else value

    def text(self, value: object) -> str:
        """128 bits in hex: two values of a log do not meet in it by chance."""
        return blake3(_text(value).encode(), key=self.secret).hexdigest(length=16)


def is_kept(id: str, share: float) -> bool:
    """Whether a sample of that share has a row: its id alone decides, so that everybody decides alike; what is in a
    sample is in a larger one."""
    return int.from_bytes(blake3(id.encode()).digest(length=8), "big") < share * 2**64


def _text(value: object) -> str:
    try:
        return key_text([value])
    except ValueError:  # NaN, or a time without a zone inside of a list: JSON has no word for it
        return repr(value)


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
