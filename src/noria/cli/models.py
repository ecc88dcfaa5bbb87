"""`noria models`"""

from __future__ import annotations

import argparse

from noria.app.read import ModelView, VersionView, list_models
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import figure, paint, say, say_json, table, when
from noria.records.gates import Judgement


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "models",
        what="List the versions of each model, the newest first, with their aliases and what the gates said.\n"
        "With --json: an array of objects with `name`, `aliases` and `versions`.",
        examples=[
            ("noria models", "all of them"),
            ("noria models delay", "one"),
            ("noria models --json | jq '.[].aliases'", "for a script"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="only this one")


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        views = list_models(app, args.model)
    if args.json:
        say_json(views)
        return 0
    for at, view in enumerate(views):
        say(*([""] if at else []), *_model(view))
    return 0


def _model(view: ModelView) -> list[str]:
    title = paint(view.name, "bold") + ("" if view.configured else "  (not in noria.toml any more)")
    if not view.versions:
        return [title, "  no version yet: noria run " + view.name]
    head = ("version", "aliases", "gates", "created", "as of", "run", "rows", "loss", "metrics")
    return [title, *table(head, map(_row, view.versions), indent=2)]


def _row(view: VersionView) -> tuple[str, ...]:
    version = view.version
    loss = version.quality
    others = [
        f"{name} {figure(value)}" for name, value in version.metrics.items() if not loss or name != loss.loss
    ]
    return (
        view.name,
        ",".join(view.aliases),
        verdict_of(view.judgement),
        when(version.created),
        when(version.as_of),
        f"{version.model}/{version.run}",
        f"{version.data.rows:,}",
        f"{loss.loss} {figure(loss.mean)}" if loss else "",
        ", ".join(others[:3]),
    )


def verdict_of(judgement: Judgement | None) -> str:
    """`passed`, `refused`, `undecided`, or `no gates`."""
    if judgement is None or not judgement.verdicts:
        return "no gates"
    if judgement.passed:
        return "passed"
    failed = any(verdict.outcome == "fail" for verdict in judgement.verdicts)
    return "refused" if failed else "undecided"
