"""`noria trace`"""

from __future__ import annotations

import argparse
import json

from noria.app.trace import Trace, trace
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.render import NONE, count, fields, paint, pinned, say, say_json, when
from noria.cli.show_run import data_line, environment_line, judgement_lines, source_lines
from noria.records.base import Json, short
from noria.records.batches import Batch


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "trace",
        what="From an answer, or a batch of them, back to all that made it: what was asked and answered, its label, the version, what its gates\n"
        "said, which version each alias named at that time, the run, the commit, the data and the environment.\n"
        "With --json: an object with `id`, `model`, `version`, `prediction`, `batch`, `others`, `run`, `trigger`, `created`,\n"
        "`as_of`, `source`, `data_step`, `data`, `environment`, `judgement`, `aliases`.",
        examples=[
            ("noria trace 01jq3w9c0h7x4-0000002", "by the answer's id"),
            ("noria trace batch-1m8aqtsxqe97k", "a batch of noria predict"),
            ("noria trace --key 20250301-017 --model delay", "the newest answer for a row"),
        ],
        reads=True,
    )
    parser.add_argument("id", metavar="ID", nargs="?", help="the id that came with the answer, or a batch's")
    parser.add_argument("--key", help="instead of it, the row's key; several columns as a JSON array")
    parser.add_argument(
        "--model", metavar="MODEL", help="the model that answered (default: whichever gave the id)"
    )


def run(args: argparse.Namespace) -> int:
    if (args.id is None) == (args.key is None):
        raise BadUsage(problem="name an answer: an ID, or a --key", command="noria trace")
    with open_app(project(args)) as app:
        found = trace(app, id=args.id, key=args.key, model=args.model)
    if args.json:
        say_json(found)
    else:
        say(*trace_lines(found))
    return 0


def trace_lines(found: Trace) -> list[str]:
    return [
        f"{paint(found.id, 'bold')}  answered by {paint(found.version, 'bold')}",
        *fields([*(_batch(found.batch) if found.batch else _prediction(found)), *_aliases(found)]),
        "",
        paint(found.version, "bold"),
        *fields(
            [
                ("created", when(found.created)),
                ("as of", when(found.as_of)),
                ("run", f"{found.run}{f', asked for by {found.trigger}' if found.trigger else ''}"),
                *source_lines(found.source),
                ("data", f"{found.data_step}: {data_line(found.data)}"),
                ("read", "\n".join(map(pinned, found.data.sources))),
                ("environment", environment_line(found.environment)),
            ]
        ),
        *(["", *judgement_lines(found.judgement)] if found.judgement else []),
    ]


def _batch(batch: Batch) -> list[tuple[str, str]]:
    refused = f", {batch.refused:,} of them refused" if batch.refused else ""
    return [
        ("asked", when(batch.began)),
        ("done", when(batch.finished)),
        ("rows", f"{batch.rows:,}{refused}"),
        ("input", f"{count(batch.files, 'file')} of {batch.input}"),
        ("output", f"{count(batch.parts, 'part')} in {batch.output}"),
        ("manifest", f"_noria.json, {short(batch.manifest)}: each file's and each part's digest"),
    ]


def _prediction(found: Trace) -> list[tuple[str, str]]:
    row = found.prediction
    if row is None:
        return [("row", "not in the log: a sample left it out, or it was older than the log keeps rows")]
    more = f"; {found.others} older answers for this key" if found.others else ""
    return [
        ("asked", f"{row['at']}{more}"),
        ("key", _shown(row.get("key", ""))),
        ("event", _shown(row.get("time", ""))),
        ("way", _shown(row.get("way", ""))),
        ("request", _listed(row["request"])),
        ("answer", _listed(row["answer"])),
        ("took", f"{int(str(row['took'])) / 1000:.2f} ms" if "took" in row else ""),
        ("trace", _shown(row["trace"]) if "trace" in row else ""),
        ("label", _label(row)),
    ]


def _label(row: dict[str, Json]) -> str:
    if "label" not in row:
        return "not known yet"
    return f"{_shown(row['label'])}, known at {row['label_known']}"


def _aliases(found: Trace) -> list[tuple[str, str]]:
    lines = [
        f"@{one.alias} was {found.model}:{one.version} since {when(one.since)}, by {one.by}: {one.why}"
        for one in found.aliases
    ]
    return [("then", "\n".join(lines))]


def _listed(values: Json) -> str:
    return (
        "\n".join(f"{name} = {_shown(value)}" for name, value in values.items())
        if isinstance(values, dict)
        else ""
    )


def _shown(value: Json) -> str:
    if value is None:
        return NONE
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
