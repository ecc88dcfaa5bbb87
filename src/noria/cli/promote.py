"""`noria promote`"""

from __future__ import annotations

import argparse
import getpass

from noria.app.promote import find_version, promote
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, dry_run, parser_of, project
from noria.cli.render import say
from noria.records.events import AliasMoved


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "promote",
        what="Let an alias, `champion` unless another is named, name a version. Services that follow the alias switch\n"
        "by themselves. A version that its gates refused becomes champion only with --force, which is recorded.",
        examples=[
            ("noria promote delay:3", "make version 3 the champion"),
            ("noria promote delay:3 --alias challenger", "give it another name"),
            (
                "noria promote delay:3 --force --why 'hotfix'",
                "against its gates, with the reason in the record",
            ),
        ],
    )
    parser.add_argument("ref", metavar="REF", help="a version: delay:3 or delay@challenger")
    parser.add_argument("--alias", default="champion", help="the name to move (default: champion)")
    parser.add_argument("--why", default="", help="the reason, for the record")
    parser.add_argument("--force", action="store_true", help="even if the gates did not pass it")
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        moved = promote(
            app, args.ref, alias=args.alias, why=args.why, by=person(), force=args.force, dry_run=args.dry_run
        )
        if moved is None:
            say(f"{args.alias} names {find_version(app, args.ref).name} already")
    if moved is not None:
        say(sentence(moved, args.dry_run))
    return 0


def sentence(moved: AliasMoved, dry: bool) -> str:
    """`delay@champion: delay:3, before delay:2`"""
    before = f"{moved.model}:{moved.before}" if moved.before else "nothing"
    verb = "would name" if dry else "names"
    return f"{moved.model}@{moved.alias} {verb} {moved.model}:{moved.after}, before {before}"


def person() -> str:
    """Who asks, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"
