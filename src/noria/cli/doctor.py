"""`noria doctor`"""

from __future__ import annotations

import argparse

from noria.app.doctor import Diagnosis, diagnose
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import paint, say, say_json

MARKS = {"well": ("✓", "green"), "weak": ("!", "yellow"), "ill": ("✗", "red")}


def add(subparsers: Subparsers) -> None:
    parser_of(
        subparsers,
        "doctor",
        what="Try everything that Noria stands on: Python, git, uv, the project's files, records, objects, pipelines,\n"
        "engine and environment, each on the real thing. Exit code 1 when something is ill.\n"
        "With --json: an array of objects with `part`, `state` (well, weak, ill), `what` and `next`.",
        examples=[
            ("noria doctor", "before the first run, and when something is odd"),
            ("noria doctor --json", "for a script"),
        ],
        reads=True,
    )


def run(args: argparse.Namespace) -> int:
    found = diagnose(project(args))
    if args.json:
        say_json(found)
    else:
        for one in found:
            say(*_lines(one))
    return 1 if any(one.state == "ill" for one in found) else 0


def _lines(one: Diagnosis) -> list[str]:
    mark, colour = MARKS[one.state]
    lines = [f"{paint(mark, colour)} {one.part}: {one.what}"]
    return [*lines, f"    next: {one.next}"] if one.next else lines
