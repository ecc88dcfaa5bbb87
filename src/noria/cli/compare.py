"""`noria compare`"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.compare import Comparison, charts, compare
from noria.app.output import UnknownForm, write_output
from noria.app.wiring import open_reading
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.compared import chart_lines, comparison_lines
from noria.cli.render import note, say, say_json
from noria.cli.words import whole

if TYPE_CHECKING:
    from noria.app.pages.lines import Chart

FORMS = [".html", ".png"]
LAST = 10  # runs of a model when nobody says how many


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "compare",
        what="Compare runs: the parameters that differ and the metrics side by side, the best of each marked where the\n"
        "loss or a gate says which direction is better, and the series that they have in common, drawn.\n"
        "With --json: `runs`, `parameters`, `origins`, `metrics`, each with one value a run in the order of `runs`.",
        examples=[
            ("noria compare delay/3 delay/5", "two runs; delay:3 means the run that made the version"),
            ("noria compare delay --last 20 --metric auc", "a model's newest, the best first"),
            ("noria compare delay --last 100 --output tried.html", "a page with figures; or .png"),
        ],
        reads=True,
    )
    parser.add_argument(
        "refs", metavar="RUN", nargs="+", help="runs or versions; or one model, for its newest runs"
    )
    parser.add_argument(
        "--last", type=whole, metavar="N", help=f"of a model, the newest N runs (default: {LAST})"
    )
    parser.add_argument("--metric", metavar="NAME", help="look at this metric, and put its best run first")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write a page (.html) or a picture (.png) instead"
    )


def run(args: argparse.Namespace) -> int:
    if args.output and args.output.suffix.lower() not in FORMS:
        raise UnknownForm(path=str(args.output), known=FORMS)
    alone = len(args.refs) == 1 and not set("/:@") & set(args.refs[0])
    with open_reading(project(args)) as app:
        found = compare(app, args.refs, last=args.last or (LAST if alone else None), metric=args.metric)
        drawn = [] if args.json else charts(app, found)
        made = app.clock.now()
    if args.json:
        say_json(found)
    elif args.output:
        _write(args.output, found, drawn, made)
    else:
        say(*comparison_lines(found), *chart_lines(drawn, args.metric))
    return 0


def _write(path: Path, found: Comparison, drawn: list[Chart], made: datetime) -> None:
    if path.suffix.lower() == ".png":
        from noria.app.pages.picture import picture

        write_output(path, picture(found, drawn))
    else:
        from noria.app.pages.compare import compare_page

        write_output(path, compare_page(found, drawn, made=made))
    say(str(path))
    note(f"{len(found.runs)} runs compared")
