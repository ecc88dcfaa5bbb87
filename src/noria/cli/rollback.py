"""`noria rollback`"""

from __future__ import annotations

import argparse

from noria.app.rollback import RolledBack, rollback
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, dry_run, parser_of, project
from noria.cli.promote import person, sentence
from noria.cli.render import note, say

NOT_EVERYWHERE = 4  # exit code: the alias has moved, and a service does not answer with it yet


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "rollback",
        what="Let an alias name the version that it named before; twice goes back two versions. Of the champion, all of it\n"
        "comes back: version, environment, routing, the monitor's state and threshold. A rollout that is under way ends, and\n"
        "the services of this machine answer with the old version before this command ends: at once, where they have kept a\n"
        "worker of it, as they do for a quarter of an hour. Exit code 4 when one of them does not.",
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
        done = rollback(app, args.model, alias=args.alias, why=args.why, by=person(), dry_run=args.dry_run)
    say(sentence(done.moved, args.dry_run), *lines_of(done))
    note(*(f"{one.service}: {one.problem}" for one in done.services if one.problem))
    return NOT_EVERYWHERE if any(one.problem for one in done.services) else 0


def lines_of(done: RolledBack) -> list[str]:
    """What runs, and what was under way."""
    model = done.moved.model
    lines = [
        f"  {one.service} answers with {model}:{one.version} after {one.seconds:.2f} s"
        for one in done.services
        if not one.problem
    ]
    return [*lines, *([f"  rollout {done.rollout.name} ends"] if done.rollout else [])]
