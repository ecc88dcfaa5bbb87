"""`noria show`"""

from __future__ import annotations

import argparse

from noria.app.read import RunDetail, read
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import say, say_json


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "show",
        what="A run: each step with why it ran or from which run it was reused, where it came from, what came of it,\n"
        "and the end of the log when it failed. A version: what it takes and gives, its gates with their evidence,\n"
        "its aliases, its newest proof, and the way back to run, commit, data and environment.\n"
        "With --json: for a run `view`, `steps`, `version`, `judgement`, `tail`; for a version `view`, `judgements`,\n"
        "`moves`, `run`, `drill`, `proof`.",
        examples=[
            ("noria show delay/3", "a run; delay/last is the newest"),
            ("noria show delay:3", "a version"),
            ("noria show delay@champion --json", "what an alias names, for a script"),
        ],
        reads=True,
    )
    parser.add_argument("ref", metavar="REF", help="delay/3, delay/last, delay:3, delay@champion or delay")


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        found = read(app, args.ref)
    if args.json:
        say_json(found)
    elif isinstance(found, RunDetail):
        from noria.cli.show_run import run_lines

        say(*run_lines(found))
    else:
        from noria.cli.show_version import version_lines

        say(*version_lines(found))
    return 0
