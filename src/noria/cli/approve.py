"""`noria approve`"""

from __future__ import annotations

import argparse

from noria.app.judging.approve import Approving, approve
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, dry_run, parser_of, project
from noria.cli.models import verdict_of
from noria.cli.promote import person, sentence
from noria.cli.render import paint, say, say_json


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "approve",
        what='Give a person\'s word on a version, where `approval = "required"` stands among the gates of its model. Who said\n'
        "so and why goes into the record; a version that passed everything else becomes champion with it, or its\nrollout begins. --refuse says no.\n"
        "With --json: an object with `approval`, `judgement`, `moved`, `rollout`, `held`.",
        examples=[
            ('noria approve delay:7 --why "the new carriers look right"', "let it be champion"),
            ('noria approve delay:7 --refuse --why "trained on the wrong year"', "never"),
        ],
        reads=True,
    )
    parser.add_argument("version", metavar="VERSION", help="delay:7 or delay@challenger")
    parser.add_argument("--why", required=True, help="the reason, for the record")
    parser.add_argument("--refuse", action="store_true", help="say no instead")
    parser.add_argument("--by", metavar="NAME", default="", help="who says so (default: this user)")
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    with open_app(project(args)) as app:
        done = approve(
            app,
            args.version,
            why=args.why,
            by=args.by or person(),
            granted=not args.refuse,
            dry_run=args.dry_run,
        )
    if args.json:
        say_json(done)
    else:
        say(*approve_lines(done, dry=args.dry_run))
    return 0


def approve_lines(done: Approving, *, dry: bool) -> list[str]:
    word = done.approval
    name = f"{word.model}:{word.version}"
    said = "approved" if word.granted else "refused"
    lines = [f"{name} {'would be ' if dry else ''}{said} by {word.by}: {word.why}"]
    if done.moved is not None:
        return [*lines, paint(sentence(done.moved, dry), "green")]
    if done.rollout:
        return [*lines, f"rollout {done.rollout} {'would begin' if dry else 'begins'}: noria rollout status"]
    if done.held:
        return [*lines, f"no rollout begins: {done.held}"]
    if done.champion == word.version:
        back = "" if word.granted else f" all the same; go back with noria rollback {word.model}"
        return [*lines, f"it is the champion{back}"]
    if not word.granted:
        return [*lines, "it is not promoted"]
    if done.judgement.passed:
        return [*lines, f"next: noria promote {name}"]
    others = [one for one in done.judgement.verdicts if one.outcome != "pass"]
    told = "; ".join(f"{one.gate}: {one.outcome}" for one in others)
    return [*lines, f"not promoted: its gates are {verdict_of(done.judgement)} ({told})"]
