"""`noria rollback`"""

from __future__ import annotations

import argparse

from noria.app.promote import rollback
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, dry_run, parser_of, project
from noria.cli.promote import person, sentence
from noria.cli.render import say


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "rollback",
        what="Let an alias name the version that it named before; twice goes back two versions.",
        examples=[
            ("noria rollback", "the only model's champion"),
            ("noria rollback delay --why 'too many refunds'", "with the reason in the record"),
            ("noria rollback delay --dry-run", "say where it would go"),
        ],
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="may be left out when there is only one")
    parser.add_argument("--alias", default="champion", help="the name to move back (default: champion)")
    parser.add_argument("--why", default="", help="the reason, for the record")
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        moved = rollback(app, args.model, alias=args.alias, why=args.why, by=person(), dry_run=args.dry_run)
    say(sentence(moved, args.dry_run))
    return 0
