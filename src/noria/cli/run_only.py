"""`noria run --only STEP`"""

from __future__ import annotations

import argparse
import os
import sys

from noria.app.again import Output, again, group_of
from noria.app.environments.groups import of_group
from noria.app.wiring import open_app
from noria.cli.commands import project
from noria.cli.inside import built, go_on
from noria.cli.render import count, note, say, say_json, size, span, table
from noria.ports.surroundings import FIXED, THREADS, in_force, surroundings


def run_only(args: argparse.Namespace) -> int:
    _in_its_environment(args)
    with open_app(project(args)) as app:
        _as_a_worker(app.threads)
        done = again(app, args.model, args.of, args.only, note)
    if args.json:
        say_json(done)
    else:
        say(f"{done.step} on the inputs of {done.run}: {span(done.seconds)}; nothing was recorded")
        say(*table(("output", "type", "size", "beside the recorded one"), map(_row, done.outputs), indent=2))
    return 0


def _in_its_environment(args: argparse.Namespace) -> None:
    """Go on in the environment that the step names, if any, unless this is it."""
    with open_app(project(args)) as app:
        group, shelf = group_of(app, args.model, args.only), app.shelf
        wish = of_group(app, group, app.project) if group else None
    inside = shelf.here()
    if wish is not None and (inside is None or inside.recipe != wish.recipe):
        go_on(shelf, built(shelf, wish), f"{args.only} runs in environment {group}")


def _as_a_worker(threads: int) -> None:
    """Begin again, as the same process on the same terminal, with what a worker has around it: another hash seed or
    number of threads would give another result."""
    wanted = surroundings(os.environ) | dict.fromkeys(THREADS, str(threads))
    if in_force() or all(os.environ.get(name) == value for name, value in FIXED.items()):
        return
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)


def _row(one: Output) -> tuple[str, ...]:
    rows = f", {count(one.made.rows, 'row')}" if one.made.rows is not None else ""
    beside = "the same to the last bit" if one.same else "different" if one.recorded else "the run has none"
    return one.name, one.made.type + rows, size(one.made.size), beside
