"""`noria drill`"""

from __future__ import annotations

import argparse

from noria.app.rollouts.drill import drill_rollback
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.render import fields, say, say_json

DRILLS = ("rollback",)


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "drill",
        what="Try what is hoped never to be needed. `rollback`: the version that a rollback of the champion would go back to\n"
        "is whole, comes up in a service of its own in its own environment, and answers the newest rows that it answered\n"
        "before as it did then. Nothing that runs is touched. Exit code 1 when it does not.\n"
        "With --json: an object with `version`, `whole`, `rows`, `same`, `seconds`, `problem`.",
        examples=[
            ("noria drill rollback", "the only model"),
            ("noria drill rollback delay --json", "for a script"),
        ],
        reads=True,
    )
    parser.add_argument("what", metavar="DRILL", help=" or ".join(DRILLS))
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")


def run(args: argparse.Namespace) -> int:
    if args.what not in DRILLS:
        raise BadUsage(problem=f"{args.what!r} is no drill: {', '.join(DRILLS)}", command="noria drill")
    with open_app(project(args)) as app:
        name = app.model(args.model).name
        done = drill_rollback(app, name)
    if args.json:
        say_json(done)
    else:
        same = {True: "the same", False: "OTHERS", None: "none in the log to compare with"}[done.same]
        say(
            f"{name}:{done.version} {'can' if done.passed else 'CANNOT'} be gone back to",
            *fields(
                [
                    ("whole", "yes" if done.whole else "no"),
                    ("came up in", f"{done.seconds:.1f} s" if not done.problem else None),
                    ("answers", f"{same}, {done.rows} rows" if done.rows else same),
                    ("problem", done.problem),
                ]
            ),
        )
    return 0 if done.passed else 1
