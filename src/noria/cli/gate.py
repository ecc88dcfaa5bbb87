"""`noria gate`"""

from __future__ import annotations

import argparse

from noria.app.judging.again import judge_again
from noria.app.wiring import open_app
from noria.cli.commands import Subparsers, dry_run, parser_of, project
from noria.cli.inside import inside
from noria.cli.render import say, say_json
from noria.cli.show_run import judgement_lines
from noria.records.gates import Judgement


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "gate",
        what="Judge a version again, by the gates that noria.toml has today, beside whoever is champion today. Its data step\n"
        "reads anew: where that gives other rows than it was made of, all rows that it was not trained on judge it, else its\n"
        "own holdout. The judgement is appended to the version's; no alias moves.\n"
        "Exit code 0: it passed; 1: a gate refused it or could not decide.\n"
        "With --json: a Judgement with `verdicts` (`gate`, `outcome`, `why`, `evidence`), `champion`, `anchor`, `data`.",
        examples=[
            ("noria gate delay:7", "by today's gates, data and champion"),
            ("noria gate delay@champion --dry-run", "what they would say of what is in production"),
            ("noria gate delay:7 --as-recorded", "on its own holdout, without reading data"),
        ],
        reads=True,
    )
    parser.add_argument("version", metavar="VERSION", help="delay:7, delay@champion or delay")
    parser.add_argument(
        "--as-recorded", action="store_true", help="its own holdout, even if there are newer rows"
    )
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    inside(args)
    with open_app(project(args)) as app:
        judgement = judge_again(app, args.version, as_recorded=args.as_recorded, dry_run=args.dry_run)
    if args.json:
        say_json(judgement)
    else:
        say(*_lines(judgement, dry=args.dry_run))
    return 0 if judgement.passed else 1


def _lines(judgement: Judgement, *, dry: bool) -> list[str]:
    name = f"{judgement.model}:{judgement.version}"
    rows = "rows that are there today" if judgement.data else "its own holdout"
    kept = "nothing was recorded" if dry else f"recorded: noria show {name}"
    follow = (
        ["", f"next: noria promote {name}"]
        if judgement.passed and judgement.champion != judgement.version
        else []
    )
    return [f"{name} judged on {rows}; {kept}", *judgement_lines(judgement), *follow]
