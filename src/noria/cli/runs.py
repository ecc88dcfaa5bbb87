"""`noria runs`"""

from __future__ import annotations

import argparse

from noria.app.read import RunView, list_runs
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import figure, note, say, say_json, span, table, when
from noria.cli.words import whole
from noria.records.runs import Abandoned, Failed, Pruned, Succeeded

SHOWN = 3  # metrics in a line: more make it wider than a terminal; `noria show` has all


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "runs",
        what="List runs, the newest first: when they began, what started them, what came of them.\n"
        "With --json: an array of objects with `name`, `state`, `run`, `finished` and `outcome`.",
        examples=[
            ("noria runs", "the last 20 of every model"),
            ("noria runs delay --last 100", "of one model"),
            ("noria runs --json | jq '.[0].outcome'", "for a script"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="only this model's")
    parser.add_argument("--last", type=whole, default=20, metavar="N", help="at most so many (default: 20)")


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        views = list_runs(app, args.model, last=args.last)
    if args.json:
        say_json(views)
    elif views:
        say(*table(("run", "state", "started", "took", "by", "commit", "result"), map(_row, views)))
    else:
        note("no runs yet: noria run")
    return 0


def _row(view: RunView) -> tuple[str, ...]:
    asked = view.run.asked
    source = asked.provenance.source
    return (
        view.name,
        view.state,
        when(view.run.started),
        span(view.finished - view.run.started) if view.finished else "",
        asked.trigger.kind,
        source.commit[:9] + ("+" if source.dirty or source.untracked else ""),
        result_of(view),
    )


def result_of(view: RunView) -> str:
    """What came of a run, in a few words."""
    match view.outcome:
        case Succeeded(version=version, metrics=metrics):
            figures = [f"{name} {figure(value)}" for name, value in list(metrics.items())[:SHOWN]]
            made = [f"{view.run.asked.model}:{version}"] if version else []
            return ", ".join([*made, *figures])
        case Failed(step=step, error=error):
            return f"{step}: {error.splitlines()[0] if error else 'failed'}"
        case Abandoned(by=by):
            return f"given up for {by}"
        case Pruned():
            return "weak figures: given up early"
        case _ if view.state != "running" and view.run.asked.trigger.kind == "trial":
            return "the next noria tune tries it again"
        case _:
            return "" if view.state == "running" else "the next run goes on from its finished steps"
