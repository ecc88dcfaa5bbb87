"""`noria lint`"""

from __future__ import annotations

import argparse

from noria.app.lint import lint_model
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.inside import inside
from noria.cli.render import count, note, paint, say, say_json
from noria.pipeline.lint import Lint

COLOURS = {"breaks": "red", "risks": "yellow"}


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "lint",
        what="Name what makes a pipeline unrepeatable, read off its code without running a step: clocks, stopwatches, numbers\n"
        "of processes, names of machines, unseeded generators, network, files that nobody records, threads, a missing or outdated\n"
        "lock. A line that ends in `# noria: repeatable` is taken at its word. Exit code 1 when something breaks repeatability.\n"
        "With --json: an array of objects with `rule`, `severity` (breaks, risks), `step`, `where`, `what`, `next`.",
        examples=[("noria lint", "the only model"), ("noria lint delay --json", "for CI")],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")


def run(args: argparse.Namespace) -> int:
    inside(args, build=False)
    with open_app(project(args)) as app:
        found = lint_model(app, args.model)
    if args.json:
        say_json(found)
    else:
        for one in found:
            say(*_lines(one))
        if not found:
            note("nothing found that makes this pipeline unrepeatable; `noria reproduce` proves it")
    breaks = sum(one.severity == "breaks" for one in found)
    if breaks and not args.json:
        note(count(breaks, "finding") + " that no rebuild survives")
    return 1 if breaks else 0


def _lines(one: Lint) -> list[str]:
    step = f" {one.step}" if one.step else ""
    return [
        f"{one.where}: {paint(one.severity, COLOURS[one.severity])} [{one.rule}]{step} {one.what}",
        f"    next: {one.next}",
    ]
