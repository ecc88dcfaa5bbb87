"""What a data step's table looks like, a line a column."""

from __future__ import annotations

from noria.app.pages.html import Html, tag
from noria.app.pages.tables import shown, table
from noria.app.pages.words import figure
from noria.records.base import Json
from noria.records.profiles import ColumnProfile, Profile
from noria.records.runs import DataVersion

LISTED = 60  # columns of a profile; a wider table is looked at with `noria data`
TOP = 3  # frequent values in a line


def data_table(data: DataVersion, profile: Profile | None) -> Html:
    """Names and types, and with a profile what is missing, how many values there are and where they lie."""
    if profile is None:
        rows = [(column.name, column.type, "yes" if column.nullable else "no") for column in data.columns]
        return tag("div", table(("column", "type", "nulls"), rows[:LISTED]), _more(len(rows)))
    head = ("column", "type", "missing", "distinct", "low", "middle", "high", "values")
    lines = [_line(column) for column in profile.columns[:LISTED]]
    return tag("div", table(head, lines), _more(len(profile.columns)))


def _line(column: ColumnProfile) -> tuple[object, ...]:
    missing = f"{column.missing / column.rows:.1%}" if column.missing and column.rows else "0"
    middle = figure(column.quantiles[3]) if len(column.quantiles) == 7 and _number(column.low) else ""
    distinct = f"{column.distinct:,}" if column.distinct is not None else "many"
    return (
        tag("td", tag("b", column.name)),
        tag("td", column.type, class_="mono"),
        tag("td", missing, class_="num"),
        tag("td", distinct, class_="num"),
        tag("td", _value(column.low), class_="num"),
        tag("td", middle, class_="num"),
        tag("td", _value(column.high), class_="num"),
        tag("td", _spread(column) or _frequent(column)),
    )


def _spread(column: ColumnProfile) -> Html | None:
    """From 1 to 99 % as a line, the middle half as a box, the median as a bar."""
    if len(column.quantiles) != 7 or column.quantiles[6] <= column.quantiles[0]:
        return None
    low, wide = column.quantiles[0], column.quantiles[6] - column.quantiles[0]
    at = [(value - low) / wide * 100 for value in column.quantiles]
    return tag(
        "span",
        tag("i", style="left:0;right:0"),
        tag("i", class_="box", style=f"left:{at[2]:.1f}%;width:{at[4] - at[2]:.1f}%"),
        tag("i", class_="mid", style=f"left:calc({at[3]:.1f}% - 1px)"),
        class_="spread",
        title="1, 25, 50, 75 and 99 % of the values",
    )


def _frequent(column: ColumnProfile) -> str:
    named = [f"{shown(value)} {number / max(1, column.rows):.0%}" for value, number in column.top[:TOP]]
    return ", ".join(named) + (", ..." if len(column.top) > TOP else "")


def _value(value: Json) -> str:
    if value is None:
        return ""
    return figure(float(value)) if _number(value) else str(value)[:25]  # type: ignore[arg-type]


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _more(columns: int) -> Html | None:
    return tag("p", f"and {columns - LISTED} more columns", class_="soft") if columns > LISTED else None
