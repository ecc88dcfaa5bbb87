"""How far times go: Python's calendar has the years 1 to 9999, and Arrow's ticks go on for hundreds of thousands more.

Whoever reads the prediction log, or a row function, has Python's times; so what lies beyond them is no value of a request.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import pyarrow as pa

PLACES = {"s": 0, "ms": 3, "us": 6, "ns": 9}  # decimal places of a second

_EPOCH = datetime(1970, 1, 1)
_FIRST = (datetime.min - _EPOCH) // timedelta(seconds=1)
_LAST = (datetime.max - _EPOCH) // timedelta(seconds=1)
_DAY = 86_400
_FIXED = re.compile(r"([+-])(\d\d):?(\d\d)")


@lru_cache(maxsize=64)
def reach(unit: str, zone: str | None) -> tuple[int, int]:
    """The first and the last tick since 1970 that is a time in Python, in UTC and in its zone."""
    first, last = _FIRST, _LAST
    if zone:
        place = zone_of(zone)
        first -= min(0, _offset(datetime.min, place))
        last -= max(0, _offset(datetime.max, place))
    ticks = 10 ** PLACES[unit]
    return max(first * ticks, -(2**63)), min((last + 1) * ticks - 1, 2**63 - 1)


def years(unit: str) -> str:
    """What `reach` comes to, for people."""
    return "the years 1678 to 2261" if unit == "ns" else "the years 1 to 9999"


def beyond(array: pa.Array) -> tuple[list[int], str]:
    """Places in an array of times, of days, or of lists of them whose ticks are out of reach; and out of which years."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flat, rows = array, None
    if pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type):
        flat, rows = array.flatten(), pc.list_parent_indices(array)
    if pa.types.is_timestamp(flat.type):
        (low, high), ticks, unit = reach(flat.type.unit, flat.type.tz), pa.int64(), flat.type.unit
    elif pa.types.is_date32(flat.type):
        (low, high), ticks, unit = (_FIRST // _DAY, _LAST // _DAY), pa.int32(), "s"
    else:
        return [], ""
    counted = flat.view(ticks)
    ends = pc.min_max(counted)
    if not ends["min"].is_valid or (ends["min"].as_py() >= low and ends["max"].as_py() <= high):
        return [], ""
    places = pc.indices_nonzero(pc.or_(pc.less(counted, low), pc.greater(counted, high)))
    return (places if rows is None else pc.unique(rows.take(places))).to_pylist(), years(unit)


def zone_of(name: str) -> tzinfo:
    """A zone as Arrow names it: `Europe/Berlin`, or `+01:00`."""
    fixed = _FIXED.fullmatch(name)
    if fixed is None:
        return UTC if name == "UTC" else ZoneInfo(name)
    sign = -1 if fixed[1] == "-" else 1
    return timezone(sign * timedelta(hours=int(fixed[2]), minutes=int(fixed[3])))


def _offset(local: datetime, zone: tzinfo) -> int:
    found = local.replace(tzinfo=zone).utcoffset()
    return 0 if found is None else found // timedelta(seconds=1)
