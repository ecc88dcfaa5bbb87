"""`noria card`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from noria.app.cards import make_card
from noria.app.output import write_output
from noria.app.read import find_run
from noria.app.wiring import open_reading
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import note, say, size


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "card",
        what="Write a run's card: one HTML page that needs nothing else, with what was asked and what came of it,\n"
        "metrics beside the champion's and the gates' verdicts, series, figures and tables that steps showed, reports,\n"
        "steps over time, data, environment, and the log's end when it failed.",
        examples=[
            ("noria card delay/3", "to delay-3.html in this folder"),
            ("noria card delay/last --output card.html", "the newest run's"),
            ("noria card delay/3 --output - > card.html", "to stdout"),
        ],
    )
    parser.add_argument("run", metavar="RUN", help="delay/3, or delay/last")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="where to (default: MODEL-NUMBER.html in this folder; -: stdout)",
    )


def run(args: argparse.Namespace) -> int:
    with open_reading(project(args)) as app:
        view = find_run(app, args.run)
        page = make_card(app, view.name)
    if str(args.output) == "-":
        sys.stdout.write(page)
        return 0
    path = args.output or Path(f"{view.name.replace('/', '-')}.html")
    write_output(path, page)
    say(str(path))
    note(f"{view.name}, {view.state}: {size(len(page.encode()))}, one file that opens anywhere")
    return 0
