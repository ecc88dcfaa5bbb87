"""`noria feedback`"""

from __future__ import annotations

import argparse
from pathlib import Path

from noria.app.feedback import Given, give, give_file
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.render import count, say, say_json
from noria.cli.words import moment


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "feedback",
        what="Give the label of a prediction that became known later: by the id that stood in the answer, by the row's\n"
        "key, or many at once from a file with the column `label` and `id` or the key's columns; `known` and\n"
        "`correction` may stand beside them. The same label twice changes nothing, another one needs --correction.\n"
        "With --json: an object with `stored`, `repeated` and `corrected`.",
        examples=[
            ("noria feedback delay --id 01jq3w9c0h7x4-0000002 true", "the answer's id"),
            ("noria feedback delay --key 20250301-017 false", "the row's key"),
            ("noria feedback trips --key '[\"N14\", 7]' 12.5", "a key of two columns"),
            ("noria feedback delay --file labels.parquet", "many: .csv, .ndjson or .parquet"),
        ],
        reads=True,
    )
    parser.add_argument("model", metavar="MODEL", help="the model that answered")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", help="the prediction's id")
    which.add_argument("--key", help="the row's key; several columns as a JSON array")
    which.add_argument("--file", type=Path, metavar="FILE", help="labels in bulk")
    parser.add_argument("label", metavar="LABEL", nargs="?", help="the label, with --id or --key")
    parser.set_defaults(late="label")  # it stands behind the options
    parser.add_argument("--known", type=moment, metavar="TIME", help="when it became known (default: now)")
    parser.add_argument("--correction", action="store_true", help="replace a different label given before")


def run(args: argparse.Namespace) -> int:
    if (args.label is None) == (args.file is None):
        problem = (
            "a LABEL goes with --id or --key" if args.file is None else "--file holds the labels: no LABEL"
        )
        raise BadUsage(problem=problem, command="noria feedback")
    if args.file and args.known:
        raise BadUsage(problem="--known is a column of the --file", command="noria feedback")
    with open_app(project(args)) as app:
        if args.file:
            given = give_file(app, args.model, args.file, correction=args.correction)
        else:
            given = give(
                app,
                args.model,
                args.label,
                id=args.id,
                key=args.key,
                known=args.known,
                correction=args.correction,
            )
    if args.json:
        say_json(given)
    else:
        say(_sentence(given))
    return 0


def _sentence(given: Given) -> str:
    parts = [count(given.stored, "label") + " stored"] if given.stored else []
    parts += [f"{given.repeated:,} known already"] if given.repeated else []
    parts += [f"{given.corrected:,} corrected"] if given.corrected else []
    return ", ".join(parts) or "no labels"
