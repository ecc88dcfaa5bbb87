"""Times as the tables hold them: whole microseconds since 1970 in UTC, exact and in order in every database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(time: datetime) -> int:
    """Microseconds since 1970; raises ValueError for a time without a zone."""
    if time.tzinfo is None:
        raise ValueError(f"{time} is a time without a zone")
    return (time - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The time back, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)
