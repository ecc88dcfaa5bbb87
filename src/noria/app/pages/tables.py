"""Tables and lists of facts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from noria.app.pages.html import Html, tag
from noria.app.pages.words import figure
from noria.records.base import Json

CELL = 80  # characters of a cell; what is longer stands in its title


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, mine: int | None = None) -> Html:
    """A table whose columns of numbers stand to the right; a cell may be markup. `mine`: the row to stress."""
    body = [[cell if isinstance(cell, Html) else _plain(cell) for cell in row] for row in rows]
    right = [bool(body) and all(_numeric(row[at]) for row in body) for at in range(len(head))]
    kinds = ["num" if to_right else None for to_right in right]
    heads = [tag("th", name, class_=kind) for name, kind in zip(head, kinds, strict=True)]
    lines = [
        tag("tr", [_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)], class_=_class(at, mine))
        for at, row in enumerate(body)
    ]
    return tag(
        "div", tag("table", tag("thead", tag("tr", heads)), tag("tbody", lines)), class_="wide", tabindex=0
    )


def settings(values: Sequence[Json], nothing: str = "") -> list[str]:
    """Values of one parameter, beside or below one another: fractions as short as a figure, unless two of them would
    look alike then."""
    short = [figure(value) if isinstance(value, float) else None for value in values]
    exact = ["" if value is None else shown(value) for value in values]
    if len(set(short)) < len({value for value, one in zip(exact, short, strict=True) if one}) + (
        None in short
    ):
        short = [None] * len(short)
    return [
        nothing if value is None else brief or full
        for value, brief, full in zip(values, short, exact, strict=True)
    ]


def best(text: str) -> Html:
    """A cell that holds the best of its kind."""
    return tag("td", text, class_="num best")


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names with their values; those without a value are left out."""
    given = [(name, value) for name, value in pairs if value not in (None, "", ())]
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in given])


def shown(value: Json) -> str:
    """A parameter as JSON; text without its quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(cell: object) -> str:
    if cell is None:
        return ""
    return figure(cell) if isinstance(cell, float) else str(cell)


def _cell(cell: str, kind: str | None) -> Html:
    if isinstance(cell, Html):
        return cell if cell.startswith("<td") else tag("td", cell, class_=kind)
    if len(cell) <= CELL:
        return tag("td", cell, class_=kind)
    return tag("td", cell[:CELL] + "…", class_=kind, title=cell[:2000])


def _numeric(cell: str) -> bool:
    if isinstance(cell, Html):
        return "num" in cell[:20]
    plain = cell.replace(",", "").lstrip("+-−").replace("e+", "e", 1).replace("e-", "e", 1)
    return not plain or plain in ("nan", "inf") or plain.replace(".", "", 1).replace("e", "", 1).isdecimal()


def _class(at: int, mine: int | None) -> str | None:
    return "mine" if at == mine else None
