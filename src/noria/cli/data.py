"""`noria data`"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from noria.app.data import DataDetail, DataDiff, DataView, diff_data, list_data, read_data
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.render import count, figure, note, paint, say, say_json, table, when
from noria.records.base import Json, short
from noria.records.profiles import ColumnProfile


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "data",
        what="The versions of a model's data: which runs read each, which versions came of it, why one was refused. With\n"
        "a run or a version: the profile of its data, column by column. With two: what differs.\n"
        "With --json: an array of `model`, `data`, `runs`, `versions`, `refused`; for one `name`, `data`, `profile`; for\n"
        "two `first`, `second`, `same`, `findings`.",
        examples=[
            ("noria data delay", "versions of the data"),
            ("noria data delay/3", "the profile of what a run read"),
            ("noria data delay:1 delay:2", "what differs"),
        ],
        reads=True,
    )
    parser.add_argument(
        "refs", metavar="MODEL|RUN|VERSION", nargs="*", help="one model, or one or two references"
    )


def run(args: argparse.Namespace) -> int:
    refs: list[str] = args.refs
    if len(refs) > 2:
        raise BadUsage(problem="one or two references are compared, not more", command="noria data")
    with open_app(project(args)) as app:
        if len(refs) == 2:
            found: object = diff_data(app, *refs)
        elif refs and any(mark in refs[0] for mark in "/:@"):
            found = read_data(app, refs[0])
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
        return [*_head(found), *_columns(found.profile.columns)]
    views = found if isinstance(found, tuple) else ()
    if not views:
        note("no run has read data yet: noria run")
        return []
    lines = table(("data", "rows", "from", "to", "runs", "versions", "refused"), map(_row, views))
    return [*lines, *(f"  {view.runs[0]}: {one.what}" for view in views for one in view.refused)]


def _row(view: DataView) -> tuple[object, ...]:
    runs = view.runs[0] + (f" and {len(view.runs) - 1} more" if len(view.runs) > 1 else "")
    data = view.data
    refused = paint("refused", "red") if view.refused else ""
    return (
        short(data.digest),
        f"{data.rows:,}",
        when(data.first),
        when(data.last),
        runs,
        ", ".join(view.versions),
        refused,
    )


def _head(found: DataDetail) -> list[str]:
    data = found.data
    between = f", {when(data.first)} to {when(data.last)}" if data.first else ""
    lines = [f"{paint(found.name, 'bold')}  data {short(data.digest)}: {count(data.rows, 'row')}{between}"]
    return [*lines, *(f"  read {one.kind} {one.name} at {one.version}" for one in data.sources)]


def _columns(columns: Iterable[ColumnProfile]) -> list[str]:
    head = ("column", "type", "missing", "distinct", "low", "median", "high", "most often")
    return table(head, [_column(one) for one in columns], indent=2)


def _column(one: ColumnProfile) -> tuple[object, ...]:
    median = figure(one.quantiles[3]) if one.quantiles and not isinstance(one.low, str) else ""
    often = f"{_shown(one.top[0][0])} ({one.top[0][1]:,})" if one.top else ""
    missing = f"{one.missing / one.rows:.1%}" if one.missing and one.rows else ""
    return one.name, one.type, missing, one.distinct, _shown(one.low), median, _shown(one.high), often


def _diff(found: DataDiff) -> list[str]:
    if found.same:
        return [f"the data of {found.first.name} and {found.second.name} is the same to the last bit"]
    lines = [*_head(found.first), *_head(found.second)]
    before = {one.name: one for one in found.first.profile.columns}
    pairs = [(before[one.name], one) for one in found.second.profile.columns if one.name in before]
    rows = [(new.name, *_moved(old, new)) for old, new in pairs if old != new]
    lines += table(("column", "missing", "distinct", "low", "high", "mean"), rows, indent=2)
    return [*lines, *(f"  {one.severity}: {one.what}" for one in found.findings)]


def _moved(old: ColumnProfile, new: ColumnProfile) -> tuple[str, ...]:
    """What each figure was and is; once where it is the same."""
    pairs = (
        (old.missing, new.missing),
        (old.distinct, new.distinct),
        (old.low, new.low),
        (old.high, new.high),
    )
    shown = [(_shown(was), _shown(now)) for was, now in (*pairs, (old.mean, new.mean))]
    return tuple(now if was == now else f"{was} -> {now}" for was, now in shown)


def _shown(value: Json) -> str:
    return "" if value is None else figure(value) if isinstance(value, float) else str(value)[:24]
