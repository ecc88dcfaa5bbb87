"""One table of a settings file, read leaf by leaf, so that all its faults are told at once."""

from __future__ import annotations

import difflib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, cast

from noria.records.base import Json

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
SPAN = r"([1-9][0-9]*)([smhdw])"
LONGEST = 100 * 365 * 86_400  # s; a century: more is a slip, and would overflow dates
WIDEST = 60  # characters of a value that a fault shows

KeyPath = tuple[str, ...]


class Rule(NamedTuple):
    """What a value must be, for a reader and for the check."""

    words: str
    holds: Callable[[Any], bool]


def matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(pattern, text) is not None


NEVER = Rule("a finite number", lambda x: False)
ANY = Rule("a finite number", lambda x: True)
NOT_NEGATIVE = Rule("0 or more", lambda x: x >= 0)
PROBABILITY = Rule("between 0 and 1", lambda x: 0 < x < 1)
COUNT = Rule("1 or more", lambda x: 1 <= x < 2**31)

D = TypeVar("D")


class Section:
    """One table of the file, read leaf by leaf: what does not fit is noted, and the default stands in for it."""

    def __init__(self, values: Mapping[str, Any], path: KeyPath, faults: list[tuple[KeyPath, str]]) -> None:
        self.values = values
        self._path = path
        self._faults = faults
        self._known: dict[str, bool] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def fault(self, key: str | None, what: str) -> None:
        """Note a fault of one key, or of the table itself."""
        self._faults.append((self._path if key is None else (*self._path, key), what))

    def take(self, key: str, *, told: bool = True) -> Any:
        """A value as it is, None when it is not there. `told`: whether a reader may hear of this setting."""
        self._known[key] = told
        return self.values.get(key)

    def table(self, key: str, wanted: str = "it must be a table") -> Section:
        """A table in this one; where something else stands, its own settings are not asked for any more."""
        value = self.take(key)
        if value is None or isinstance(value, dict):
            return Section(value or {}, (*self._path, key), self._faults)
        self.fault(key, f"is {shown(value)}: {wanted}")
        return Section({}, (*self._path, key), [])

    def tables(self, key: str, wanted: str) -> list[Section]:
        """A table, or a list of them."""
        value = self.take(key)
        if not isinstance(value, list):
            return [self.table(key, wanted)]
        if not value or not all(isinstance(one, dict) for one in value):
            self.fault(key, f"is {shown(value)}: {wanted}, or a list of such")
            return []
        return [Section(one, (*self._path, key), self._faults) for one in value]

    def text(self, key: str, default: str, rule: Rule) -> str:
        value = self._typed(key, str, "text in quotes")
        return default if value is None or not self._holds(key, value, rule) else value

    def number(self, key: str, default: D, rule: Rule) -> float | D:
        value = self._typed(key, (int, float), "a number")
        if value is None:
            return default
        finite = abs(value) <= sys.float_info.max  # false for NaN too
        return float(value) if self._holds(key, value, rule if finite else NEVER) else default

    def whole(self, key: str, default: D, rule: Rule) -> int | D:
        value = self._typed(key, int, "a whole number")
        return default if value is None or not self._holds(key, value, rule) else value

    def flag(self, key: str, default: bool) -> bool:
        value = self.take(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.fault(key, f"is {shown(value)}, not true or false")
        return default

    def columns(self, key: str) -> tuple[str, ...]:
        """Names of columns, each once; none without it."""
        given = self.take(key)
        if given is None:
            return ()
        if not isinstance(given, list) or not all(isinstance(name, str) and name for name in given):
            self.fault(key, f'is {shown(given)}: write ["column", "another"]')
            return ()
        for name in sorted({name for name in given if given.count(name) > 1}):
            self.fault(key, f"has {shown(name)} more than once")
        return tuple(dict.fromkeys(given))

    def seconds(self, key: str, default: D) -> float | D:
        """A span of time: a count and a unit."""
        value = self.take(key)
        if value is None:
            return default
        parts = re.fullmatch(SPAN, value) if isinstance(value, str) else None
        if parts is None:
            self.fault(key, f'is {shown(value)}: write a count and a unit of s, m, h, d, w, as in "28d"')
            return default
        span = float(int(parts[1]) * SECONDS[parts[2]])
        return (
            span if self._holds(key, value, Rule("a century at most", lambda _: span <= LONGEST)) else default
        )

    def bytes(self, key: str, default: int) -> int:
        """A size: a count of bytes, or a count and a unit."""
        value = self.take(key)
        if value is None:
            return default
        parts = re.fullmatch(r"([1-9][0-9]*) ?(\w+)", f"{value} B" if _is_a(value, int) else str(value))
        if parts is None or parts[2] not in BYTES:
            self.fault(
                key, f'is {shown(value)}: write a count and a unit of {", ".join(BYTES)}, as in "16MiB"'
            )
            return default
        size = int(parts[1]) * BYTES[parts[2]]
        return size if self._holds(key, value, Rule("1 TiB at most", lambda _: size <= 2**40)) else default

    def json(self, key: str) -> Json:
        """A parameter's value: what JSON can hold."""
        value = self.take(key)
        if problem := _not_json(value):
            self.fault(key, f"is {shown(value)}: {problem}")
        return cast("Json", value)

    def close(self) -> None:
        """Note what nobody asked for."""
        known = [key for key, told in self._known.items() if told]
        for key in self.values:
            if key not in self._known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"here may stand {', '.join(known)}"
                self.fault(key, f"is not a setting of this release; {hint}")

    def _typed(self, key: str, kind: type | tuple[type, ...], words: str) -> Any:
        value = self.take(key)
        if value is None or _is_a(value, kind):
            return value
        self.fault(key, f"is {shown(value)}, not {words}")
        return None

    def _holds(self, key: str, value: object, rule: Rule) -> bool:
        if rule.holds(value):
            return True
        self.fault(key, f"is {shown(value)}; it must be {rule.words}")
        return False


def _is_a(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # to Python, true is the number 1


def _not_json(value: object) -> str | None:
    """Why a value cannot be a parameter; None when it can."""
    match value:
        case bool() | str():
            return None
        case int():
            return None if -(2**63) <= value < 2**63 else "a whole number has 64 bits at most"
        case float():
            return None if math.isfinite(value) else "a number must be finite"
        case list():
            return next((problem for item in value if (problem := _not_json(item))), None)
        case dict():
            return next((problem for item in value.values() if (problem := _not_json(item))), None)
        case _:
            return "a date or time is given as text, in quotes"


def shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= WIDEST else text[: WIDEST - 4] + " ..."
