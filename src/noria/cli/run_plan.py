"""`noria run --dry-run`"""

from __future__ import annotations

import argparse

from noria.app.asking import Wish
from noria.app.foresee import Foreseen, foresee
from noria.app.wiring import open_app
from noria.cli.commands import project
from noria.cli.render import note, paint, say, say_json, table, when
from noria.pipeline.forecast import Forecast

COLOURS = {"reuse": "green", "run": "yellow", "depends": "dim", "read": "cyan"}


def run_plan(args: argparse.Namespace, wish: Wish) -> int:
    with open_app(project(args)) as app:
        found = foresee(app, args.model, wish)
    if args.json:
        say_json(found)
    else:
        say(*_lines(found))
    return 0


def _lines(found: Foreseen) -> list[str]:
    head = f"{found.model} as of {when(found.asked.as_of)}, if it were run now"
    lines = [paint(head, "bold"), *table(("step", "will", "why"), map(_row, found.steps), indent=2)]
    if found.goes_on:
        note(f"{found.goes_on} was interrupted: it would be finished, and its own steps kept")
    return lines


def _row(one: Forecast) -> tuple[str, str, str]:
    why = f"from {one.why}" if one.will == "reuse" else one.why
    return one.step, paint(one.will, COLOURS[one.will]) + _counts(one), why


def _counts(one: Forecast) -> str:
    """Of a fan-out: how many of its items; where it is reused, that is all of them."""
    if one.items is None:
        return ""
    return f" (all {one.items:,})" if one.will == "reuse" else f" ({one.running or 0:,} of {one.items:,})"
