"""What a column takes, by the name of its Arrow type: values out of JSON or written as text, each misfit named.

A column is read at the speed of C when the kinds of its values leave no doubt; only else is each value looked at.
"""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from noria.errors import ConfigError
from noria.graph.reach import PLACES, reach, years
from noria.records.base import Json

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN = 60  # characters of a value that an error repeats
BITS = {"half_float": 16, "halffloat": 16, "float": 32, "double": 64}
BIGGEST = {
    16: 65519.99999999999,
    32: 3.4028235677973362e38,
    64: float("inf"),
}  # beyond it a number would become infinite

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:?\d\d)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)")  # as most programs write it
_LISTED = re.compile(
    r"(?:fixed_size_list<(?:item: )?(.+)>\[(\d+)\]|(?:large_)?list<(?:item: )?(.+)>)"
)  # which of the two widths of offsets Arrow has is storage
_DICTIONARY = re.compile(r"dictionary<values=(.+), indices=u?int\d+, ordered=[01]>")
_WHOLE = re.compile(r"[+-]?\d+")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(eq=False)
class CannotCarry(ConfigError):
    code: ClassVar[str] = "SERVE-COLUMN-TYPE"
    what: ClassVar[str] = "no request can carry {columns}"
    next: ClassVar[str] = (
        "let the data step make it a number, a string, a boolean, a time, or a list of them, or leave it out"
    )
    columns: Sequence[str]
    """Each with its type, as `column price of decimal128(12, 2)`."""


class Misfit(Exception):
    """A value that a column does not take; its text is what was given."""


def _as_written(text: str) -> Any:
    return text


@dataclass(frozen=True)
class Kind:
    """How values of one Arrow type are read. A request of a few rows is read without Arrow: it is imported when the type
    itself is asked for."""

    make: Callable[[], pa.DataType]
    expected: str
    """For people: `an integer from -128 to 127`."""
    plain: frozenset[type]
    """Kinds of JSON values that Arrow itself converts, or refuses, exactly as `convert` does."""
    convert: Callable[[Any], Any]
    """A JSON value as Arrow takes it; raises `Misfit`. Never asked about null."""
    meant: Callable[[str], Any] = _as_written
    """The JSON value that a text in a file or on a command line stands for; the text itself when it stands for none."""

    @cached_property
    def type(self) -> pa.DataType:
        return self.make()

    def one(self, value: object) -> Any:
        """One JSON value as the column holds it, in Python's terms. Raises `Misfit`, for null too."""
        import pyarrow as pa

        if value is None:
            raise Misfit("null")
        return values_of(pa.array([self.convert(value)], self.type))[0]

    def one_written(self, value: object) -> Any:
        """The same for a value out of a file or a command line: a text, or what a typed file holds."""
        import pyarrow as pa

        plain = as_json(value)
        if self.type == pa.bool_() and type(plain) is int:
            plain = str(plain)  # 1 and 0 are how files write true and false
        return self.one(self.meant(plain) if isinstance(plain, str) else plain)

    def read(self, values: Sequence[Any]) -> tuple[pa.Array | None, list[tuple[int, str]]]:
        """The values as an array, or None and what does not fit: position and what was given."""
        import pyarrow as pa

        if set(map(type, values)) <= self.plain:
            try:
                return pa.array(values, self.type), []
            except (pa.ArrowInvalid, OverflowError, UnicodeError):
                pass  # one of them is out of range: which one, is found below
        converted, misfits = [], []
        for position, value in enumerate(values):
            try:
                converted.append(None if value is None else self.convert(value))
            except Misfit as misfit:
                misfits.append((position, str(misfit)))
        return (None, misfits) if misfits else (pa.array(converted, self.type), [])


def kind_of(column: str, name: str) -> Kind:
    """The kind for an Arrow type's name, as signatures and data versions have it. Raises `CannotCarry`."""
    found = _kind(name)
    if found is None:
        raise CannotCarry(columns=[f"column {column} of {name}"])
    return found


def require_carried(schema: pa.Schema) -> None:
    """Raises `CannotCarry` with all columns that no request can carry."""
    named = [(field.name, type_name(field.type)) for field in schema]
    without = [f"column {column} of {name}" for column, name in named if _kind(name) is None]
    if without:
        raise CannotCarry(columns=without)


@lru_cache(maxsize=256)
def _kind(name: str) -> Kind | None:
    if categories := _DICTIONARY.fullmatch(name):
        return _kind(categories[1])
    if listed := _LISTED.fullmatch(name):
        inner = _kind(listed[1] or listed[3])
        return inner and _list(inner, int(listed[2]) if listed[2] else None)
    if name in BITS:
        return _float(BITS[name])
    if whole := re.fullmatch(r"(u?)int(8|16|32|64)", name):
        return _integer(name, int(whole[2]), signed=not whole[1])
    if timed := re.fullmatch(r"timestamp\[(s|ms|us|ns)(?:, tz=(.+))?\]", name):
        return _timestamp(timed[1], timed[2])
    simple = {"bool": _boolean, "string": _string, "binary": _binary, "date32[day]": _date}
    make = simple.get(name.removeprefix("large_").removesuffix("_view"))
    return make and make()


def type_name(kind: pa.DataType) -> str:
    """Arrow's name of a type, with the storage variants of text and bytes folded into one."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "binary"
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return f"list<{type_name(kind.value_type)}>"
    return str(kind)


def floats(array: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """An array of doubles without nulls as numpy has it, over the same bytes."""
    import numpy as np

    data = array.buffers()[1]
    return np.frombuffer(data, np.float64, len(array), 8 * array.offset) if data else np.empty(0)


def values_of(array: pa.Array) -> list[Any]:
    """As Python's values; times to the microsecond."""
    import pyarrow as pa

    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False)  # Python's times end there
    return list(array.to_pylist())


def as_json(value: Any) -> Json:
    """A value in Python's terms as JSON has it: times in ISO 8601, UTC where they have a zone; bytes in base64."""
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value  # type: ignore[no-any-return]


def shown(value: object) -> str:
    """A value as the caller wrote it, cut where it is long."""
    if type(value) is float and not math.isfinite(value):
        return str(value)  # of binary tensors: JSON, which cannot write it, would say null
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError):
        text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


def _boolean() -> Kind:
    def convert(value: Any) -> bool:
        if type(value) is not bool:
            raise Misfit(shown(value))
        return value

    def meant(text: str) -> Any:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)

    return Kind(partial(_arrow, "bool_"), "true or false", frozenset({bool, type(None)}), convert, meant)


def _string() -> Kind:
    return Kind(partial(_arrow, "string"), "a string", frozenset({str, type(None)}), _text)


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Misfit(shown(value))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Misfit(f"half of a surrogate pair at character {error.start}") from error
    return value


def _binary() -> Kind:
    def convert(value: Any) -> bytes:
        try:
            return b64decode(_text(value), validate=True)
        except (binascii.Error, ValueError) as error:
            raise Misfit(shown(value)) from error

    return Kind(partial(_arrow, "binary"), "bytes in base64", frozenset({type(None)}), convert)


def _date() -> Kind:
    def convert(value: Any) -> date:
        if not _DAY.fullmatch(_text(value)):
            raise Misfit(shown(value))
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise Misfit(shown(value)) from error

    def meant(text: str) -> str:
        return text.removesuffix("T00:00:00")  # how a typed file gives a day that pandas made a time

    return Kind(partial(_arrow, "date32"), "a day, as 2013-01-31", frozenset({type(None)}), convert, meant)


def _float(bits: int) -> Kind:
    def convert(value: Any) -> float:
        if type(value) is not float and type(value) is not int:
            raise Misfit(shown(value))
        try:
            number = float(value)
        except OverflowError as error:
            raise Misfit(shown(value)) from error
        if not math.isfinite(number) or abs(number) > BIGGEST[bits]:
            raise Misfit(shown(value))
        return number

    plain: set[Any] = (
        {float, int, type(None)} if bits == 64 else {type(None)}
    )  # Arrow makes 1e39 an infinite float32
    expected = "a number" if bits == 64 else f"a number of {bits} bits"
    return Kind(partial(_arrow, f"float{bits}"), expected, frozenset(plain), convert, _number_meant)


def _integer(name: str, bits: int, *, signed: bool) -> Kind:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)

    def convert(value: Any) -> int:
        whole = (
            type(value) is float and value.is_integer() and abs(value) <= 2**53
        )  # 3.0 is 3 in JSON, and exact
        if not (whole or type(value) is int) or not low <= value <= high:
            raise Misfit(shown(value))
        return int(value)

    expected = f"an integer from {low} to {high}"
    return Kind(partial(_arrow, name), expected, frozenset({int, type(None)}), convert, _number_meant)


def _number_meant(text: str) -> Any:
    try:
        return int(text) if _WHOLE.fullmatch(text) else float(text)
    except ValueError:  # no number, or one of thousands of digits
        return text


def _timestamp(unit: str, zone: str | None) -> Kind:
    example = "2013-01-31T17:05:00Z" if zone else "2013-01-31T17:05:00, without an offset"
    moments = _Moments(unit, zone)
    return Kind(
        partial(_arrow, "timestamp", unit, tz=zone),
        f"a time in ISO 8601, as {example}",
        frozenset({type(None)}),
        moments.ticks,
        moments.meant,
    )


class _Moments:
    """Times as text, to whole units since 1970."""

    def __init__(self, unit: str, zone: str | None) -> None:
        self._unit = unit
        self._zone = zone
        self._places = PLACES[unit]
        self._a_second: int = 10**self._places

    def ticks(self, value: Any) -> int:
        """Raises `Misfit`."""
        if not self._zone or type(value) is not str or _MOMENT.fullmatch(value) is None:
            return self._looked_at(value)
        return self._within(value, self._seconds(value, value) * self._a_second)

    def _looked_at(self, value: Any) -> int:
        """However it is written."""
        found = _ISO.fullmatch(_text(value))
        if found is None or bool(found[4]) != bool(self._zone):
            raise Misfit(shown(value))
        fraction = (found[3] or "").rstrip("0")
        if len(fraction) > self._places:
            raise Misfit(shown(value))
        seconds = self._seconds(value, f"{found[1]}T{found[2]}{(found[4] or 'Z').upper()}")
        beyond = int(fraction.ljust(self._places, "0")) if fraction else 0
        return self._within(value, seconds * self._a_second + beyond)

    def _seconds(self, value: Any, iso: str) -> int:
        """Whole seconds, which a float holds."""
        try:
            return int(datetime.fromisoformat(iso).timestamp())
        except ValueError as error:  # a 13th month, an hour 25
            raise Misfit(shown(value)) from error

    def _within(self, value: Any, ticks: int) -> int:
        first, last = reach(self._unit, self._zone)
        if not first <= ticks <= last:
            raise Misfit(f"{shown(value)}, beyond {years(self._unit)}")
        return ticks

    def meant(self, text: str) -> str:
        """A day is its midnight, and a time without an offset is UTC where the column has a zone."""
        whole = f"{text}T00:00:00" if _DAY.fullmatch(text) else text
        found = _ISO.fullmatch(whole)
        return f"{whole}Z" if found and self._zone and not found[4] else whole


def _list(inner: Kind, width: int | None) -> Kind:
    def convert(value: Any) -> list[Any]:
        if type(value) is not list or (width is not None and len(value) != width):
            raise Misfit(shown(value))
        made = []
        for position, item in enumerate(value):
            try:
                made.append(None if item is None else inner.convert(item))
            except Misfit as misfit:
                raise Misfit(f"{misfit} at position {position} of the list") from misfit
        return made

    def meant(text: str) -> Any:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text

    many = f"a list of {width} items" if width is not None else "a list of items"

    def make() -> pa.DataType:
        return _arrow("list_", inner.type, -1 if width is None else width)

    return Kind(make, f"{many}, each {inner.expected}", frozenset({type(None)}), convert, meant)


def _arrow(name: str, *arguments: Any, **more: Any) -> pa.DataType:
    import pyarrow as pa

    return getattr(pa, name)(*arguments, **more)
