"""`noria data`"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from datetime import datetime

from noria.app.data import DataDetail, DataDiff, DataView, diff_data, list_data, read_data
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.render import amount, figure, note, paint, say, say_json, table
from noria.cli.sources import change_lines, source_lines
from noria.records.base import Json, short
from noria.records.profiles import ColumnProfile

KINDS = {"timestamp[us, tz=UTC]": "time", "large_string": "string", "double": "float"}
"""What a reader calls the usual types; `noria show` and --json have Arrow's names."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d.*")
WIDEST = 18  # characters of a value: with three of them, a line of a usual table fits 100 columns


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "data",
        what="The versions of a model's data: which runs read each, which versions came of it, why one was refused. With\n"
        "a run or a version: what its data was made of (files, snapshots), and its profile, column by column. With two:\n"
        "what differs.\n"
        "With --json: an array of `model`, `data`, `runs`, `versions`, `refused`; for one `name`, `data`, `profile`,\n"
        "`sources`, `others`; for two `first`, `second`, `same`, `findings`, `sources`.",
        examples=[
            ("noria data delay", "versions of the data"),
            ("noria data delay/3", "the profile of what a run read"),
            ("noria data delay:1 delay:2", "what differs"),
            ("noria data delay/3 --step images", "of another data step"),
        ],
        reads=True,
    )
    parser.add_argument(
        "refs", metavar="MODEL|RUN|VERSION", nargs="*", help="one model, or one or two references"
    )
    parser.add_argument("--step", metavar="NAME", help="of a run with several data steps: this one's data")


def run(args: argparse.Namespace) -> int:
    refs: list[str] = args.refs
    if len(refs) > 2:
        raise BadUsage(problem="one or two references are compared, not more", command="noria data")
    with open_app(project(args)) as app:
        if len(refs) == 2:
            found: object = diff_data(app, refs[0], refs[1], args.step)
        elif refs and any(mark in refs[0] for mark in "/:@"):
            found = read_data(app, refs[0], args.step)
        else:
            found = list_data(app, refs[0] if refs else None)
    if args.json:
        say_json(found)
    else:
        say(*_lines(found))
    return 0


def _lines(found: object) -> list[str]:
    if isinstance(found, DataDiff):
        return _diff(found)
    if isinstance(found, DataDetail):
        return [_head(found), *source_lines(found.sources), *_columns(found), *_others(found)]
    views = found if isinstance(found, tuple) else ()
    if not views:
        note("no run has read data yet: noria run")
        return []
    lines = table(("data", "amount", "from", "to", "runs", "versions"), map(_row, views))
    refused = [(view.runs[0], one.what) for view in views for one in view.refused]
    return [*lines, *(f"  {paint('refused', 'red')} {run}: {what}" for run, what in refused)]


def _row(view: DataView) -> tuple[object, ...]:
    runs = view.runs[0] + (f" and {len(view.runs) - 1} more" if len(view.runs) > 1 else "")
    data = view.data
    made = "refused" if view.refused and not view.versions else ", ".join(view.versions)
    return short(data.digest), amount(data), _minute(data.first), _minute(data.last), runs, made


def _head(found: DataDetail) -> str:
    data = found.data
    between = f", {_minute(data.first)} to {_minute(data.last)}" if data.first else ""
    return f"{paint(found.name, 'bold')}  data {short(data.digest)}: {amount(data)}{between}"


def _others(found: DataDetail) -> list[str]:
    return [f"  with --step: {', '.join(found.others)}"] if found.others else []


def _columns(found: DataDetail) -> list[str]:
    if found.profile is None:
        return []
    head = ("column", "type", "missing", "distinct", "low", "median", "high", "most often")
    return table(head, [_column(one) for one in found.profile.columns], indent=2)


def _column(one: ColumnProfile) -> tuple[object, ...]:
    median = figure(one.quantiles[3]) if one.quantiles and not isinstance(one.low, str) else ""
    often = f"{_shown(one.top[0][0])} ({one.top[0][1]:,})" if one.top and one.top[0][1] > 1 else ""
    missing = f"{one.missing / one.rows:.1%}" if one.missing and one.rows else ""
    kind = KINDS.get(one.type, one.type)
    return one.name, kind, missing, one.distinct, _shown(one.low), median, _shown(one.high), often


def _diff(found: DataDiff) -> list[str]:
    names = f"the data of {found.first.name} and {found.second.name}"
    changed = list(change_lines(found.sources))
    if found.same:
        return [f"{names} is the same to the last bit", *changed]
    lines = [_head(found.first), _head(found.second), *changed]
    if found.first.profile and found.second.profile:
        before = {one.name: one for one in found.first.profile.columns}
        pairs = [(before[one.name], one) for one in found.second.profile.columns if one.name in before]
        rows = [row for old, new in pairs for row in _moved(old, new)]
        lines += table(("column", "figure", "was", "is"), rows, indent=2) if rows else []
    return [*lines, *(f"  {one.severity}: {one.what}" for one in found.findings)]


def _moved(old: ColumnProfile, new: ColumnProfile) -> Iterator[tuple[str, ...]]:
    """Each figure that is another one; the column's name in the first line alone."""
    name = new.name
    for figure_of in ("type", "missing", "distinct", "low", "mean", "high"):
        was, now = (_shown(getattr(side, figure_of)) for side in (old, new))
        if was != now:
            yield name, figure_of, was, now
            name = " "


def _shown(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return figure(value)
    text = str(value)
    if MOMENT.fullmatch(text):
        return text[:16].replace("T", " ")
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""
