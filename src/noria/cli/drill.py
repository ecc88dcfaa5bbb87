"""`noria drill`"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

from noria.app.judging.drill import drill_gates
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, dry_run, parser_of, project
from noria.cli.drill_rate import rate_line
from noria.cli.inside import inside
from noria.cli.render import note, paint, say, say_json, span, table
from noria.pipeline.listen import Silent
from noria.records.drills import Drill, Plant

COMPARED = '[model.x.gates] LOSS = { no_worse_than = "champion", margin = ... }'
SEES = {
    "slow model": "[model.x.gates] latency_p99_ms = { at_most = ... }",
    **dict.fromkeys(("label shuffle", "truncated data", "stale features", "NaN weights"), COMPARED),
}
"""What a project may lack, by what its gates did not see."""
LATENCY, AGAINST = "latency_", " against "  # in the names of the gates that see a slow model, and the others
COLOURS = {"caught": "green", "held back": "yellow", "missed": "red", "not planted": "dim"}


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "drill",
        what="`gates`: plant known faults into the newest version's run (shuffled labels, a leaked label, truncated data, stale\n"
        "features, another unit, swapped columns, NaN weights, a slow model), train a candidate with each, and let the\n"
        "model's data checks and gates judge it as they judge all. Nothing is registered or promoted; the report is\n"
        "recorded, and shown beside the gates. Steps that a fault does not reach are reused.\n"
        "Exit code 0: every planted candidate was caught or held back; 1: one was missed.\n"
        "`rollback`: the version that a rollback of the champion would go back to is whole, comes up in a service of its own\n"
        "in its own environment, and answers the newest rows of the log as it did then. Nothing that runs is touched; the\n"
        "result is recorded. Exit code 1 when it does not.\n"
        "With --json: a Drill with `plants` (`name`, `what`, `caught`, `by`, `why`, `seconds`), `control`, `champion`;\n"
        "of `rollback` a Rehearsal with `version`, `whole`, `rows`, `same`, `seconds`, `problem`.",
        examples=[
            ("noria drill gates", "of the only model"),
            ("noria drill gates delay --json", "for CI"),
            ("noria drill rollback", "the way back, rehearsed"),
        ],
        reads=True,
    )
    parser.add_argument("what", metavar="WHAT", choices=("gates", "rollback"), help="gates or rollback")
    parser.add_argument("model", metavar="MODEL", nargs="?", help="the only one when left out")
    parser.add_argument("--quiet", action="store_true", help="no progress, only what came of it")
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    if args.what == "rollback":
        return _rollback(args)
    inside(args)
    told = (lambda plant: None) if args.quiet else _told
    with open_app(project(args)) as app:
        drill = drill_gates(app, args.model, Silent(), told, dry_run=args.dry_run)
    if args.json:
        say_json(drill)
    else:
        say(*drill_lines(drill))
    return 1 if any(plant.caught == "missed" for plant in drill.plants) else 0


def _rollback(args: argparse.Namespace) -> int:
    if args.dry_run or args.quiet:
        raise BadUsage(problem="--dry-run and --quiet are for the drill of gates", command="noria drill")
    from noria.cli.drill_rollback import drilled

    with open_app(project(args)) as app:
        return drilled(app, app.model(args.model).name, json=args.json)


def _told(plant: Plant) -> None:
    note(f"{plant.name}: {plant.caught}, {span(plant.seconds)}")


def drill_lines(drill: Drill) -> list[str]:
    """The report: a line a fault, and the rate."""
    rows = [(each.name, each.caught, ", ".join(each.by), each.what or each.why) for each in drill.plants]
    beside = f", beside {drill.model}:{drill.champion}" if drill.champion else ""
    lines = [
        f"{paint('gate drill', 'bold')}  {drill.model}/{drill.run}{beside}",
        *_coloured(table(("planted", "came to", "by", "what was done"), rows, indent=2), drill.plants),
        *(f"  {each.name}: {each.why}" for each in drill.plants if each.why and each.caught != "missed"),
        rate_line(drill),
    ]
    missed = [each.name for each in drill.plants if each.caught == "missed"]
    if missed:
        lines.append(paint(f"no gate sees: {', '.join(missed)}", "red"))
        lines += [f"  what would: {what}" for what in dict.fromkeys(_lacking(drill, missed))]
    if drill.control != "pass":
        lines.append(f"without a fault, too, {drill.control}: {drill.why}; such gates count for nothing here")
    if drill.left_out:
        lines.append(f"not asked in a drill: {', '.join(drill.left_out)}")
    return lines


def _lacking(drill: Drill, missed: Sequence[str]) -> Iterator[str]:
    """A gate that would see what was missed; a narrower one, where there is one of its kind."""
    for name in missed:
        if name not in SEES:
            continue
        part = LATENCY if SEES[name] != COMPARED else AGAINST
        kin = [gate for gate in drill.gates if part in gate]
        yield f"a narrower limit of {', '.join(kin)}" if kin else SEES[name]


def _coloured(lines: Sequence[str], plants: Sequence[Plant]) -> list[str]:
    """A table of plants, each one's end in its colour; after the columns were set, which count letters."""
    head, *rows = lines
    ends = [(each.caught, paint(each.caught, COLOURS[each.caught])) for each in plants]
    return [head, *(row.replace(*end, 1) for row, end in zip(rows, ends, strict=True))]
