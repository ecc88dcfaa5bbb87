"""`noria init`"""

from __future__ import annotations

import argparse
from pathlib import Path

from noria.app.init import Made, init
from noria.cli.commands import Subparsers, dry_run, parser_of, project
from noria.cli.render import say


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "init",
        what="Write a small project that runs as it is: noria.toml, pipeline.py, pyproject.toml, .gitignore.\n"
        "Overwrites nothing: a pyproject.toml and a .gitignore that are there stay, the other two must not be there.",
        examples=[
            ("noria init", "into this folder"),
            ("noria init parcels --name delay", "into parcels/, with a model named delay"),
            ("noria init --dry-run", "say what would be written"),
        ],
    )
    parser.add_argument("dir", metavar="DIR", nargs="?", type=Path, help="where to write (default: here)")
    parser.add_argument("--name", help="the model's name, a Python identifier (default: after the folder)")
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    base = project(args) or Path()
    made = init(base / args.dir if args.dir else base, name=args.name, dry_run=args.dry_run)
    verb = "would write" if args.dry_run else "wrote"
    say(*(f"{verb} {Path(made.folder) / file}" for file in made.written))
    say(*(f"kept {Path(made.folder) / file}, which was there" for file in made.kept))
    if not args.dry_run:
        say("", "next:", *(f"  {line}" for line in _next(made)))
    return 0


def _next(made: Made) -> list[str]:
    lines = [] if made.folder == "." else [f"cd {made.folder}"]
    if "pyproject.toml" in made.kept:
        lines.append("add noria[sklearn] to the dependencies in pyproject.toml")
    begin = "" if made.in_git else "git init && "
    steps = {
        f'{begin}git add -A && git commit -m "Begin"': "a run records the commit that it came from",
        "noria run": "train, gate, promote",
        f"noria serve {made.name}@champion": "answer requests, and keep it fresh",
    }
    wide = max(map(len, steps))
    return [*lines, *(f"{step:<{wide}}  # {why}" for step, why in steps.items())]
