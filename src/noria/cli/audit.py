"""`noria audit`"""

from __future__ import annotations

import argparse

from noria.app.audit import Audit, audit
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, parser_of, project
from noria.cli.render import count, note, paint, say, say_json, table, when
from noria.errors import Corrupt
from noria.records.base import short


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "audit",
        what="Verify that no event of a model was changed, removed or inserted since it was appended, and that the\n"
        "tables say what the events say. Exit code 5 when something does not. Keep the head hash elsewhere: it also\n"
        "proves that nothing was cut off at the end.\n"
        "With --json: an array of objects with `model`, `events`, `head`, `faults` and, with --events, `entries`.",
        examples=[
            ("noria audit", "every model"),
            ("noria audit delay --events", "with the events, one a line"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="only this one")
    parser.add_argument("--events", action="store_true", help="list the events, the oldest first")


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        audits = audit(app, args.model, entries=args.events)
    if args.json:
        say_json(audits)
    else:
        for one in audits:
            say(*_lines(one))
        if not audits:
            note("no events yet: noria run")
    return 0 if all(one.sound for one in audits) else Corrupt.exit


def _lines(found: Audit) -> list[str]:
    rows = [
        (entry.seq, when(entry.at), entry.kind, short(entry.hash), entry.about) for entry in found.entries
    ]
    lines = table(("event", "at", "kind", "hash", "about"), rows) if rows else []
    if found.sound:
        verdict = f"{found.model}: {count(found.events, 'event')}, {paint('all as appended', 'green')}"
        return [*lines, f"{verdict}; head {found.head}"]
    return [
        *lines,
        f"{found.model}: {paint('BROKEN', 'red', 'bold')}",
        *(f"  {fault}" for fault in found.faults),
    ]
