"""`noria logs`"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable

from noria.app.logs import StepLog, logs
from noria.app.read import find_run
from noria.app.wiring import App, open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import note, paint, say, say_json
from noria.cli.words import whole

PAUSE = 0.2  # s between two looks at a run that goes on: quick to the eye, and no load


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "logs",
        what="What the steps of a run printed, each line behind its step's name; attempts that failed, too.\n"
        "With --json: an array of objects with `step`, `run`, `attempt`, `failed`, `text`.",
        examples=[
            ("noria logs delay/last", "all steps"),
            ("noria logs delay/3 classifier --tail 50", "the end of one step's"),
            ("noria logs delay/last --follow", "of a run that goes on, as its steps finish"),
        ],
        reads=True,
    )
    parser.add_argument("run", metavar="RUN", help="delay/3, or delay/last")
    parser.add_argument("step", metavar="STEP", nargs="?", help="only this step's, or this item's: score[3]")
    parser.add_argument("--tail", type=whole, metavar="N", help="only the last N lines of each")
    parser.add_argument("--follow", action="store_true", help="go on until the run ends")


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        if args.json:
            say_json(list(logs(app, args.run, args.step)))
            return 0
        name = find_run(app, args.run).name
        said = _say(logs(app, name, args.step), set(), args.tail)
        while args.follow and find_run(app, name).state == "running":
            time.sleep(PAUSE)
            said = _say(_so_far(app, name, args.step), said, args.tail)
        said = _say(_so_far(app, name, args.step), said, args.tail) if args.follow else said
    if not said:
        note("nothing was printed")
    return 0


def _so_far(app: App, name: str, step: str | None) -> Iterable[StepLog]:
    """Of the steps that have finished; the one that is asked for may not have."""
    found = logs(app, name)
    return (one for one in found if step is None or one.step == step or one.step.startswith(f"{step}["))


def _say(found: Iterable[StepLog], said: set[tuple[str, int]], tail: int | None) -> set[tuple[str, int]]:
    """Print what was not printed yet."""
    for one in found:
        if (one.step, one.attempt) in said:
            continue
        said.add((one.step, one.attempt))
        which = f" attempt {one.attempt}" if one.attempt else ""
        head = paint(f"{one.step}{which} |", "red" if one.failed else "cyan")
        lines = one.text.splitlines()
        for line in lines[-tail:] if tail else lines:
            say(f"{head} {line}")
    return said
