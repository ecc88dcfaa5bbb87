"""`noria gc`"""

from __future__ import annotations

import argparse

import msgspec

from noria.app.gc import Gathered, Share, collect
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, dry_run, parser_of, project
from noria.cli.render import count, fields, note, paint, say, say_json, size, table
from noria.cli.words import age
from noria.records.policy import KeepPolicy


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "gc",
        what="Give up the artifacts of runs that the policy does not keep ([keep] in noria.toml), and remove what nobody\n"
        "needs. Kept are the newest runs, the young ones, unfinished ones with their checkpoints, and with all that it\n"
        "takes to serve, judge and rebuild them the versions that an alias names, that a rollback goes back to, that\n"
        "answer in a service or whose labels are still to come. Records stay; what was given up is an event.\n"
        "Safe beside running runs. What was stored in the last day stays, too: a run may be about to record it.\n"
        "With --json: an object with `policy`, `shares` (one a model, with `kept_runs`, `kept_versions`, `given_up`),\n"
        "`objects`, `size`, `waiting`, `leftovers`, `done`.",
        examples=[
            ("noria gc --dry-run", "what would go, and what stays"),
            ("noria gc", "by the policy of noria.toml"),
            ("noria gc delay --runs 5 --younger 7d", "of one model, by another policy"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="only this one")
    parser.add_argument("--runs", metavar="N", type=_count, help="keep the newest N runs of each model")
    parser.add_argument("--younger", metavar="SPAN", type=age, help="keep what is younger: 30d, 12h, 0d")
    parser.add_argument(
        "--now",
        action="store_true",
        help="remove what was stored in the last day, too; refused while anything runs",
    )
    dry_run(parser)
    parser.set_defaults(late="model")


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        keep = _policy(app.policy.keep, args)
        found = collect(app, args.model, keep=keep, at_once=args.now, dry_run=args.dry_run)
    if args.json:
        say_json(found)
        return 0
    say(*lines(found))
    if found.waiting and not args.now:
        note(
            f"{count(found.waiting, 'object')} of {size(found.waiting_size)} wait: too young, somebody may need them"
        )
    return 0


def lines(found: Gathered) -> list[str]:
    verb = "freed" if found.done else "would free"
    rows = [_row(share) for share in found.shares]
    rest = [(one.kind, f"{count(one.count, 'piece')}, {size(one.size)}") for one in found.leftovers]
    return [
        f"keeps {found.policy}",
        *table(
            ("model", "runs", "kept", "given up", "versions", "kept", "given up", "objects", "size"), rows
        ),
        *fields(rest),
        f"{verb} {paint(size(found.size), 'bold')} in {count(found.objects, 'object')}",
    ]


def _row(share: Share) -> tuple[object, ...]:
    return (
        share.model,
        share.runs,
        len(share.kept_runs),
        len(share.given_up),
        share.versions,
        len(share.kept_versions),
        len(share.versions_given_up),
        share.objects,
        size(share.size),
    )


def _policy(usual: KeepPolicy, args: argparse.Namespace) -> KeepPolicy:
    given = {"runs": args.runs, "seconds": args.younger}
    return msgspec.structs.replace(
        usual, **{name: value for name, value in given.items() if value is not None}
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count: write 0 or more")
    return int(text)
