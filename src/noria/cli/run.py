"""`noria run`"""

from __future__ import annotations

import argparse

from noria.app.train import Wish, train
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.progress import listening, uncommitted
from noria.cli.render import note, say, say_json
from noria.cli.trained import exit_code, trained_lines
from noria.cli.words import moment, setting, settings
from noria.records.runs import Trigger


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "run",
        what="Run a model's pipeline: steps whose code, inputs and parameters are as before are reused, the rest runs.\n"
        "What comes out is judged by the gates of noria.toml and, when it passes, becomes champion. A run that was\n"
        "interrupted or killed is finished from its completed steps when nothing has changed since.\n"
        "Exit code 0: done; 1: a step failed, or a gate refused the candidate or could not decide.\n"
        "Work that is not committed is named on stderr and recorded with the run.\n"
        "With --json: an object with `run`, `steps`, `version`, `judgement`, `moved`, `resumed`, `known`.",
        examples=[
            ("noria run", "the only model of the project"),
            ("noria run delay --set classifier.learning_rate=0.1", "with another hyperparameter"),
            ("noria run --as-of 2025-03-01", "on what was known then"),
            ("noria run --no-promote --json", "for a pipeline that decides itself"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")
    parser.add_argument(
        "--set",
        metavar="STEP.NAME=VALUE",
        type=setting,
        action="append",
        help="a hyperparameter, as JSON or text; may be given several times",
    )
    parser.add_argument(
        "--as-of", metavar="TIME", type=moment, help="only rows whose label was known then (default: now)"
    )
    parser.add_argument(
        "--no-promote", action="store_true", help="leave the champion where it is, even if the gates pass"
    )
    parser.add_argument(
        "--new", action="store_true", help="begin afresh instead of finishing an interrupted run"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")


def run(args: argparse.Namespace) -> int:
    wish = Wish(
        trigger=Trigger(),
        parameters=settings(args.set),
        as_of=args.as_of,
        promote=not args.no_promote,
        afresh=args.new,
    )
    with open_app(project(args)) as app:
        if not args.quiet and (left := uncommitted(app.git.look(app.project))):
            note(left)
        try:
            with listening(quiet=args.quiet) as listener:
                trained = train(app, args.model, wish, listener)
        except KeyboardInterrupt:
            note("what is finished is kept: `noria run` goes on from there")
            raise
    if args.json:
        say_json(trained)
    else:
        say(*trained_lines(trained))
    return exit_code(trained)
