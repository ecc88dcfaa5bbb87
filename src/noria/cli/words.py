"""Words of a command line that become values; argparse turns their ValueError into a usage error."""

from __future__ import annotations

import argparse
import json
import re
from datetime import UTC, datetime

from noria.records.base import Json

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
Setting = tuple[str, str, Json]


def moment(text: str) -> datetime:
    """An ISO date or time; UTC unless it says otherwise."""
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 2025-03-01 or 2025-03-01T09:00Z"
        ) from error


def moment_or_age(text: str) -> datetime | float:
    """A time, or how long ago: `2025-03-01T09:00Z`, `1h`."""
    if re.fullmatch(r"\d+[a-z]", text):
        return age(text)
    try:
        return moment(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or how long ago, as in 1h or 7d") from error


def setting(text: str) -> Setting:
    """`step.name=value`: the value as JSON, or else as text."""
    path, equals, value = text.partition("=")
    step, dot, name = path.partition(".")
    if not (equals and dot and step and name):
        raise argparse.ArgumentTypeError(f"{text!r} is no setting: write step.name=value")
    return step, name, _value(value)


def seconds(text: str) -> float:
    """A span of time in seconds, above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def age(text: str) -> float:
    """How old something is, in seconds: a count and a unit, 0 allowed."""
    parts = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if parts is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no span: write a count and a unit of s, m, h, d, w, as in 30d"
        )
    return float(int(parts[1]) * SECONDS[parts[2]])


def whole(text: str) -> int:
    """A count, 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count: write 1 or more")
    return int(text)


def settings(given: list[Setting] | None) -> dict[str, dict[str, Json]]:
    """Settings by step; of two for one name the last holds."""
    found: dict[str, dict[str, Json]] = {}
    for step, name, value in given or ():
        found.setdefault(step, {})[name] = value
    return found


def _value(text: str) -> Json:
    try:
        value: Json = json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    return value


def _refuse(text: str) -> Json:
    raise argparse.ArgumentTypeError(f"{text} is not a finite number")
