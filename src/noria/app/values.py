"""A value, or its text, in the type of a column."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar, cast

from noria.errors import UsageError
from noria.records.base import Json


@dataclass(eq=False)
class BadFeedback(UsageError):
    code: ClassVar[str] = "FEEDBACK"
    what: ClassVar[str] = "{where}: {problem}; nothing was stored"
    next: ClassVar[str] = "{fix}"
    where: str
    problem: str
    fix: str


def typed(value: object, kind: str, where: str) -> object:
    """A value, or its text, as a column of that Arrow type has it. Raises `BadFeedback`."""
    parse = _parser(kind)
    try:
        return parse(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise BadFeedback(
            where=where, problem=f"{value!r} is no {kind}", fix="write it as the training data has it"
        ) from error


def as_json(value: object) -> Json:
    """A typed value as a label is stored."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else cast(Json, value)


def _parser(kind: str) -> Callable[[Any], object]:
    if kind.startswith("timestamp"):
        return _moment if "tz=" in kind else _naive
    return next((parse for prefix, parse in PARSERS.items() if kind.startswith(prefix)), _as_it_is)


def _boolean(value: object) -> bool:
    known: Mapping[object, bool] = {"true": True, "1": True, 1: True, "false": False, "0": False, 0: False}
    found = known.get(value.lower() if isinstance(value, str) else value)
    if found is None:
        raise ValueError(value)
    return found


def _whole(value: object) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(value)
    return int(value)  # type: ignore[call-overload,no-any-return]


def _number(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _moment(value: object) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _naive(value: object) -> datetime:
    return _moment(value).replace(tzinfo=None)


def _day(value: object) -> date:
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def _as_it_is(value: object) -> object:
    return value if isinstance(value, str | int | float | bool | list) else str(value)


# Arrow's names of types, by how they begin; times have their own
PARSERS: dict[str, Callable[[Any], object]] = {
    "bool": _boolean,
    "int": _whole,
    "uint": _whole,
    "double": _number,
    "float": _number,
    "halffloat": _number,
    "half_float": _number,
    "date": _day,
    "string": str,
}
