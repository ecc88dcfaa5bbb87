"""`noria run`"""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from noria.app.asking import Wish
from noria.app.train import train
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, dry_run, parser_of, project
from noria.cli.inside import inside
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
        "With --json: an object with `run`, `steps`, `version`, `judgement`, `moved`, `resumed`, `known`; with --dry-run\n"
        "one with `model`, `steps` (`step`, `will`: read, reuse, run or depends, `why`), `goes_on`, `asked`; with --only\n"
        "one with `run`, `step`, `outputs`, `seconds`.",
        examples=[
            ("noria run", "the only model of the project"),
            ("noria run delay --set classifier.learning_rate=0.1", "with another hyperparameter"),
            ("noria run --as-of 2025-03-01", "on what was known then"),
            ("noria run --dry-run", "what would run, what would be reused, and why"),
            ("noria run --from split", "split anew, and all that follows from it"),
            ("noria run --only classifier --of delay/3", "one step again, under a debugger"),
            ("noria run --no-promote --json", "for a pipeline that decides itself"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")
    _what_it_runs_on(parser)
    parser.add_argument(
        "--no-promote", action="store_true", help="leave the champion where it is, even if the gates pass"
    )
    parser.add_argument(
        "--new", action="store_true", help="begin afresh instead of finishing an interrupted run"
    )
    _what_runs(parser)
    parser.add_argument(
        "--accept-data",
        action="store_true",
        help="let new data pass whatever the canary finds, for this once",
    )
    dry_run(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")


def _what_it_runs_on(parser: argparse.ArgumentParser) -> None:
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


def _what_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="fresh",
        metavar="STEP",
        action="append",
        help="run this step and all that read it anew, whatever was kept; may be given several times",
    )
    parser.add_argument(
        "--only",
        metavar="STEP",
        help="one step (or item: score[3]) once more, in this process and under your debugger, on what a past run gave\n"
        "it (a data step: the files and snapshots that the run read); nothing is recorded",
    )
    parser.add_argument(
        "--of", metavar="RUN", help="with --only: the run whose inputs are taken (default: last)"
    )


def run(args: argparse.Namespace) -> int:
    inside(args, build=not args.dry_run)
    if args.only:
        from noria.cli.run_only import run_only

        return run_only(args)
    if args.of:
        raise BadUsage(problem="--of RUN says whose inputs --only STEP takes", command="noria run")
    wish = Wish(
        trigger=Trigger(),
        parameters=settings(args.set),
        as_of=args.as_of,
        promote=not args.no_promote,
        afresh=args.new,
        fresh=tuple(args.fresh or ()),
        accept_data=args.accept_data,
    )
    if args.dry_run:
        from noria.cli.run_plan import run_plan

        return run_plan(args, wish)
    with open_app(project(args)) as app, ExitStack() as rest:
        if not args.quiet and (left := uncommitted(app.git.look(app.project))):
            note(left)
        try:
            with listening(quiet=args.quiet) as listener:
                trained = train(app, args.model, wish, listener, rest=rest)
        except KeyboardInterrupt:
            note("what is finished is kept: `noria run` goes on from there")
            raise
        if args.json:
            say_json(trained)
        else:
            say(*trained_lines(trained))
    return exit_code(trained)
