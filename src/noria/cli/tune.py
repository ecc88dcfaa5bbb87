"""`noria tune`"""

from __future__ import annotations

import argparse
import json

from noria.app.tune import Search, tune
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.progress import listening
from noria.cli.render import count, figure, note, paint, say, say_json, table
from noria.cli.words import moment, whole
from noria.records.base import Json
from noria.records.tuning import Choice, Range, Trial, Tuned

SHOWN = 10  # trials, the best first; --json has all


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "tune",
        what="Search for hyperparameters with Optuna (extra `tune`). Each trial is a run; steps whose parameters are not\n"
        "tried are shared. A second call with the same --study goes on until there are so many trials in all.\n"
        "Let the metric be of rows that the gates do not judge by: a @metrics step on a validation set.\n"
        "With --json: an object with `study`, `metric`, `direction`, `trials`, `best`.",
        examples=[
            (
                "noria tune delay --metric auc --maximize --try classifier.learning_rate=0.01:0.3:log",
                "20 trials",
            ),
            (
                "noria tune --metric error --try model.depth=2:12 --try model.kind=a,b --trials 50 --jobs 2",
                "two at once",
            ),
            (
                "noria tune --metric auc --maximize --try m.rate=0.1:1 --prune valid/auc",
                "weak trials end early",
            ),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")
    parser.add_argument("--metric", required=True, metavar="NAME", help="what a @metrics step calls it")
    parser.add_argument("--maximize", action="store_true", help="larger is better (default: smaller is)")
    parser.add_argument(
        "--try",
        dest="space",
        metavar="STEP.NAME=WHAT",
        type=_what,
        action="append",
        help="LOW:HIGH, with :log in the logarithm, or values with commas; whole where the default is",
    )
    parser.add_argument("--trials", type=whole, default=20, metavar="N", help="in all (default: 20)")
    parser.add_argument("--jobs", type=whole, default=1, metavar="N", help="trials at once (default: 1)")
    parser.add_argument("--study", default="study", metavar="NAME", help="its name (default: study)")
    parser.add_argument(
        "--prune", metavar="SERIES", help="a series of noria.log by which weak trials are given up"
    )
    parser.add_argument("--as-of", metavar="TIME", type=moment, help="for all trials (default: now)")
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")


def run(args: argparse.Namespace) -> int:
    search = Search(
        space=dict(args.space or ()),
        metric=args.metric,
        direction="maximize" if args.maximize else "minimize",
        trials=args.trials,
        jobs=args.jobs,
        study=args.study,
        prune=args.prune,
        as_of=args.as_of,
    )
    with open_app(project(args)) as app, listening(quiet=args.quiet or args.jobs > 1) as listener:
        found = tune(app, args.model, search, listener)
    if args.json:
        say_json(found)
    else:
        say(*_lines(found))
    return 0 if found.best else 1


def _lines(found: Tuned) -> list[str]:
    names = sorted({name for trial in found.trials for name in trial.parameters})
    rows = [_row(trial, names) for trial in _ranked(found)[:SHOWN]]
    lines = table(("trial", "run", "state", found.metric, *names), rows)
    more = len(found.trials) - SHOWN
    lines += [f"... and {count(more, 'more trial')}"] if more > 0 else []
    if found.best is None:
        note("no trial came to an end: noria logs " + (found.trials[-1].run if found.trials else "RUN"))
        return lines
    settings = " ".join(f"--set {name}={json.dumps(value)}" for name, value in found.best.parameters.items())
    return [
        *lines,
        "",
        f"{paint('best', 'bold')} {figure(found.best.value)}",
        f"next: noria run {found.model} {settings}",
    ]


def _ranked(found: Tuned) -> list[Trial]:
    sign = 1.0 if found.direction == "minimize" else -1.0
    return sorted(found.trials, key=lambda one: (one.value is None, sign * (one.value or 0.0), one.number))


def _row(trial: Trial, names: list[str]) -> tuple[object, ...]:
    shown = [trial.parameters.get(name) for name in names]
    cells = [figure(value) if isinstance(value, float) else value for value in shown]
    return (trial.number, trial.run, trial.state, figure(trial.value), *cells)


def _what(text: str) -> tuple[str, Range | Choice]:
    """`step.name=0.01:0.3:log` or `step.name=a,b`."""
    path, equals, what = text.partition("=")
    if not equals or path.count(".") != 1 or not all(path.split(".")) or not what:
        raise argparse.ArgumentTypeError(f"{text!r}: write step.name=LOW:HIGH, or step.name=one,other")
    return path, _range(what) if ":" in what else Choice(values=tuple(map(_value, what.split(","))))


def _range(what: str) -> Range:
    low, _, rest = what.partition(":")
    high, _, word = rest.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{what!r} is no range: write 0.01:0.3 or 0.01:0.3:log") from error
    if not ends[0] < ends[1] or word not in ("", "log") or (word and ends[0] <= 0):
        raise argparse.ArgumentTypeError(f"{what!r} is no range: the lower end first, above 0 for :log")
    plain = low.lstrip("-").isdecimal() and high.lstrip("-").isdecimal()
    return Range(low=ends[0], high=ends[1], log=bool(word), whole=plain)


def _value(text: str) -> Json:
    try:
        value: Json = json.loads(text)
    except ValueError:
        return text
    return value
