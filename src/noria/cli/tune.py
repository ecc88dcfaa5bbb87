"""`noria tune`"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections import Counter

from noria.app.tune import Search, tune
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.inside import inside
from noria.cli.render import count, figure, note, paint, say, say_json, table
from noria.cli.words import moment, setting, settings, whole
from noria.records.base import Json
from noria.records.tuning import Choice, Range, Trial, Tuned

SHOWN = 10  # trials, the best first; --json has all


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "tune",
        what="Search for hyperparameters with Optuna (extra `tune`). Each trial is a run without reports; steps whose\n"
        "parameters are not tried are shared. Nothing is registered or promoted: the last line is the `noria run` that\n"
        "trains with the best. A second call with the same --study goes on until there are so many trials in all; what\n"
        "Ctrl-C or a kill broke off is tried again. A trial that fails is told and left out; if the first three all\n"
        "fail, the search ends.\n"
        "Let the metric be of rows that the gates do not judge by: a @metrics step on a validation set.\n"
        "With --json: an object with `study`, `metric`, `direction`, `trials`, `best`, `notes`.",
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
    _space(parser)
    _search(parser)


def _space(parser: argparse.ArgumentParser) -> None:
    """Of what, by what, and among what."""
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")
    parser.add_argument("--metric", required=True, metavar="NAME", help="what a @metrics step calls it")
    better = parser.add_mutually_exclusive_group()
    better.add_argument("--maximize", action="store_true", help="larger is better (default: as a gate says)")
    better.add_argument("--minimize", action="store_true", help="smaller is better")
    parser.add_argument(
        "--try",
        dest="space",
        metavar="STEP.NAME=WHAT",
        type=_what,
        action="append",
        help="LOW:HIGH, with :log in the logarithm, or values with commas; whole where the default is",
    )
    parser.add_argument(
        "--set",
        metavar="STEP.NAME=VALUE",
        type=setting,
        action="append",
        help="a hyperparameter for all trials; may be given several times",
    )


def _search(parser: argparse.ArgumentParser) -> None:
    """How long, and how many at once."""
    parser.add_argument("--trials", type=whole, default=20, metavar="N", help="in all (default: 20)")
    parser.add_argument("--jobs", type=whole, default=1, metavar="N", help="trials at once (default: 1)")
    parser.add_argument(
        "--study", type=_name, default="study", metavar="NAME", help="its name (default: study)"
    )
    parser.add_argument(
        "--prune",
        metavar="SERIES",
        help="a series of noria.log, better in the direction of the metric, by which weak trials are given up",
    )
    parser.add_argument("--as-of", metavar="TIME", type=moment, help="for all trials (default: now)")
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")


def run(args: argparse.Namespace) -> int:
    inside(args, drives=("tune",))
    space = dict(args.space or ())
    if len(space) < len(args.space or ()):
        raise BadUsage(problem="one parameter is tried twice: one --try for each", command="noria tune")
    search = Search(
        space=space,
        metric=args.metric,
        direction="maximize" if args.maximize else "minimize" if args.minimize else None,
        trials=args.trials,
        jobs=args.jobs,
        study=args.study,
        prune=args.prune,
        fixed=settings(args.set),
        as_of=args.as_of,
    )
    with open_app(project(args)) as app:
        try:
            found = tune(app, args.model, search, _silent if args.quiet else _told)
        except KeyboardInterrupt:
            note("what is finished is kept: the same command goes on from there")
            raise
    for told in found.notes:
        note(told)
    if args.json:
        say_json(found)
    else:
        say(*_lines(found, settings(args.set)))
    return 0 if found.best else 1


def _told(trial: Trial) -> None:
    """A line as a trial begins, and one as it ends."""
    came = {
        "running": "begins with "
        + ", ".join(f"{name} {_shown(value)}" for name, value in trial.parameters.items()),
        "complete": figure(trial.value),
        "pruned": "weak figures: given up early",
        "failed": f"failed: {trial.why}",
    }
    note(f"trial {trial.number} ({trial.run}): {came.get(trial.state, trial.state)}")


def _silent(trial: Trial) -> None: ...


def _lines(found: Tuned, fixed: dict[str, dict[str, Json]]) -> list[str]:
    names = sorted({name for trial in found.trials for name in trial.parameters})
    rows = [_row(trial, names) for trial in _ranked(found)[:SHOWN]]
    lines = table(("trial", "run", "state", found.metric, *names), rows)
    more = len(found.trials) - SHOWN
    lines += [f"... and {count(more, 'more trial')}"] if more > 0 else []
    lines += [_came(found)] if found.trials else []
    if found.best is None:
        note("no trial came to an end: noria logs " + (found.trials[-1].run if found.trials else "RUN"))
        return lines
    looked = (
        f"noria compare {found.model} --last {len(found.trials)} --metric {found.metric} --output tried.html"
    )
    return [
        *lines,
        "",
        f"{paint('best', 'bold')} {figure(found.best.value)} of trial {found.best.number}, {found.best.run}",
        f"look: {looked}",
        f"next: {_next(found, found.best, fixed)}",
    ]


def _came(found: Tuned) -> str:
    """How many trials came to which end: `30 trials: 18 complete, 12 pruned`."""
    states = Counter(trial.state for trial in found.trials)
    told = ", ".join(f"{number} {state}" for state, number in states.most_common())
    return f"{count(len(found.trials), 'trial')}: {told}"


def _next(found: Tuned, best: Trial, fixed: dict[str, dict[str, Json]]) -> str:
    """The command that trains with the best values, to be pasted into a shell."""
    values = {f"{step}.{name}": value for step, part in fixed.items() for name, value in part.items()}
    words = [f"{name}={json.dumps(value)}" for name, value in {**values, **best.parameters}.items()]
    return shlex.join(["noria", "run", found.model, *(part for word in words for part in ("--set", word))])


def _ranked(found: Tuned) -> list[Trial]:
    sign = 1.0 if found.direction == "minimize" else -1.0
    return sorted(found.trials, key=lambda one: (one.value is None, sign * (one.value or 0.0), one.number))


def _row(trial: Trial, names: list[str]) -> tuple[object, ...]:
    shown = [trial.parameters.get(name) for name in names]
    return (trial.number, trial.run, trial.state, figure(trial.value), *map(_shown, shown))


def _shown(value: Json) -> object:
    return figure(value) if isinstance(value, float) else value


def _name(text: str) -> str:
    """A study's name: it is part of a file's."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a study: letters, digits, and _ . - between them"
        )
    return text


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
