"""`noria reproduce`"""

from __future__ import annotations

import argparse

from noria.app.environments.past import recorded, run_of
from noria.app.promote import find_version
from noria.app.proof import reproduce
from noria.app.proof.reproduce import TOLERANCE
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.inside import built, go_on
from noria.cli.progress import listening
from noria.cli.proved import sameness
from noria.cli.render import count, note, say, say_json, span, table
from noria.records.base import short
from noria.records.proofs import Proof


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "reproduce",
        what="Rebuild a version from its record alone and compare: the recorded files go into a clean folder, data comes\n"
        "by its digest, the pipeline runs with the recorded parameters, seed and threads, and every artifact is put\n"
        "beside the recorded one. The environment is rebuilt from its lock; without one, this interpreter has to do, and\n"
        "the proof says how it differs. Where artifacts differ, the first step that diverges is run twice more to tell\n"
        "why. The proof is appended to the model's chain. Exit code 0: bit-identical, or equal within tolerance; 1: different.\n"
        "With --json: a Proof with `same` (bit, tolerance, different), `compared`, `diverged`, `causes`, `why`.",
        examples=[
            ("noria reproduce delay@champion", "what is in production"),
            ("noria reproduce delay:3 --tolerance 1e-9 --json", "for CI"),
        ],
        reads=True,
    )
    parser.add_argument("version", metavar="VERSION", help="delay:3, delay@champion or delay")
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=TOLERANCE,
        metavar="X",
        help=f"relative, of metrics and of answers on the holdout (default: {TOLERANCE:g})",
    )
    parser.add_argument(
        "--here",
        action="store_true",
        help="in the interpreter that runs noria, whatever the recorded environment was; the proof says how it differs",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")


def run(args: argparse.Namespace) -> int:
    if not args.here:
        _inside(args)
    with open_app(project(args)) as app, listening(quiet=args.quiet) as listener:
        proof = reproduce(app, args.version, listener, tolerance=args.tolerance)
    if args.json:
        say_json(proof)
    else:
        say(*_lines(proof))
    return 1 if proof.same == "different" else 0


def _inside(args: argparse.Namespace) -> None:
    """Returns where this interpreter is the recorded environment, or that cannot be rebuilt, which the proof tells."""
    with (
        open_app(project(args)) as app,
        recorded(app, run_of(app, find_version(app, args.version).name)) as past,
    ):
        if past.wanted is None:
            if past.why_not and not args.quiet:
                note(f"the environment of {past.run.name} cannot be rebuilt: {past.why_not}")
            return
        shelf, wish = app.shelf, past.wanted
        shelved = built(shelf, wish, quiet=args.quiet)
    go_on(shelf, shelved, f"the environment of {args.version} is not this interpreter's", quiet=args.quiet)


def _lines(proof: Proof) -> list[str]:
    name = f"{proof.model}:{proof.version}"
    lines = [f"{name} rebuilt in {span(proof.seconds)}: {sameness(proof)}"]
    differing = [one for one in proof.compared if one.same != "bit"]
    if differing:
        rows = [(one.step, one.output, short(one.recorded), short(one.rebuilt), one.how) for one in differing]
        lines += table(("step", "output", "recorded", "rebuilt", "differs"), rows, indent=2)
        lines.append(
            f"  {count(len(proof.compared) - len(differing), 'artifact')} of {len(proof.compared)} bit-identical"
        )
        lines.append(f"  first to diverge: {proof.diverged}; cause: {', '.join(proof.causes)}")
    return [*lines, f"  {proof.why}"]


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is no tolerance: write a number from 0 to 1, as 1e-6")
    return value
