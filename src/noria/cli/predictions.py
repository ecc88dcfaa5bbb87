"""`noria predictions`"""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.app.batch.found import batch_rows
from noria.app.predictions import as_lines, predictions, write_predictions
from noria.app.wiring import App, open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.render import count, figure, note, say, table, when
from noria.cli.words import moment_or_age, whole

if TYPE_CHECKING:
    import polars as pl

SHOWN = 20  # rows of a table: about a screen
ANSWERS = 4  # columns of the answer in a table; --json has all


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "predictions",
        what="What a model answered, the newest first, as the prediction log has it, with the label that holds for each by\n"
        "now. A time is 2025-03-01T09:00Z, or how long ago: 30m, 1h, 7d.\n"
        "With --json: a line a prediction, an object with `id`, `at`, `time`, `version`, `key`, `unit`, `took` (in\n"
        "microseconds), `way`, `request`, `answer`, `label`, `label_known`.",
        examples=[
            ("noria predictions delay --since 1h", "the newest 20 of the last hour"),
            ("noria predictions delay --key 20250301-017", "all answers for one row"),
            ("noria predictions delay --json --limit 1000 | jq .answer", "for a script"),
            ("noria predictions --batch batch-1m8aqtsxqe97k", "the rows of a batch, with their labels"),
            ("noria predictions delay --since 7d --output week.parquet", "all of them, into a file"),
        ],
        reads=True,
    )
    add_ = parser.add_argument
    add_("model", metavar="MODEL", nargs="?", help="the model that answered; the only one by default")
    add_("--since", type=moment_or_age, metavar="TIME", help="asked at this time or later")
    add_("--until", type=moment_or_age, metavar="TIME", help="asked before this time")
    add_("--version", type=whole, metavar="N", help="answered by this version")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--key", help="of the row with this key; several columns as a JSON array")
    which.add_argument("--id", help="the one with this id")
    which.add_argument(
        "--batch", metavar="ID", help="the rows of this batch of noria predict, as its parts have them"
    )
    add_(
        "--limit", type=whole, metavar="N", help=f"at most so many (default: {SHOWN}, and all with --output)"
    )
    add_("--output", type=Path, metavar="FILE", help="write them there: .parquet or .ndjson")


def run(args: argparse.Namespace) -> int:
    if args.batch:
        return _of_batch(args)
    with open_app(project(args)) as app:
        frame = predictions(
            app,
            args.model,
            since=_time(app, args.since),
            until=_time(app, args.until),
            version=args.version,
            key=args.key,
            id=args.id,
            limit=args.limit or (None if args.output else SHOWN),
        )
    if args.output:
        write_predictions(frame, args.output)
        note(f"{count(frame.height, 'prediction')} in {args.output}")
    elif args.json:
        say(*as_lines(frame))
    elif frame.height:
        say(*_table(frame))
    else:
        note(_why_none(args))
    return 0


def _of_batch(args: argparse.Namespace) -> int:
    """A batch's rows have the columns of its parts, and no ids: labels come by their keys."""
    if args.since or args.until or args.version:
        raise BadUsage(problem="--batch names its rows by itself", command="noria predictions")
    with open_app(project(args)) as app:
        frame = batch_rows(app, args.batch, args.model, limit=args.limit or (None if args.output else SHOWN))
    if args.output:
        write_predictions(frame, args.output)
        note(f"{count(frame.height, 'row')} in {args.output}")
    elif args.json:
        say(*frame.write_ndjson().splitlines())
    else:
        say(*table(frame.columns, [[_plain(value) for value in row] for row in frame.iter_rows()]))
    return 0


def _plain(value: Any) -> object:
    return when(value) if isinstance(value, datetime) else _shown(value)


def _time(app: App, given: datetime | float | None) -> datetime | None:
    return app.clock.now() - timedelta(seconds=given) if isinstance(given, float) else given


def _why_none(args: argparse.Namespace) -> str:
    if args.id:
        return "that answer's row is not in the log: a sample left it out, or it was older than the log keeps rows"
    return "no predictions"


def _table(frame: pl.DataFrame) -> list[str]:
    answers = [name for name in frame.columns if name.startswith("answer.")][:ANSWERS]
    head = ["id", "at", "version", "key", *(name.partition(".")[2] for name in answers), "label", "ms"]
    rows = frame.iter_rows(named=True)
    return table(head, [_row(row, answers) for row in rows])


def _row(row: dict[str, Any], answers: list[str]) -> list[object]:
    took = "" if row["took"] is None else f"{row['took'] / 1000:.2f}"
    given = [_shown(row[name]) for name in answers]
    return [row["id"], when(row["at"]), row["version"], row["key"], *given, _shown(row["label"]), took]


def _shown(value: Any) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return figure(value) if isinstance(value, float) else value
