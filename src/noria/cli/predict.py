"""`noria predict`"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from noria.app.batch.performing import Progress
from noria.app.batch.predict import BATCH_ROWS, Asked, Predictions, predict
from noria.app.wiring import open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.inside import inside
from noria.cli.render import count, fields, note, paint, say, say_json, size, span
from noria.cli.words import whole

EVERY = 1.0  # s between two lines of progress


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "predict",
        what="Answer all rows of some files with a version: by the very graph that its service answers with, in the\n"
        "version's own source tree and environment, part by part on the engine. The input is a file, a folder, or a\n"
        "pattern in quotes, of Parquet, Arrow, CSV or NDJSON, here or in a bucket; folders may spell out columns\n"
        "(year=2013/). The output is a folder of Parquet files in the input's order: key, event time, the columns that\n"
        "are carried over, the answer, the version; beside them `_noria.json` says what each was made of.\n"
        "What is killed goes on with --resume: parts that are whole are not done again. Exit code 1: some parts failed;\n"
        "the others are there.\n"
        "With --json: the manifest, with `id`, `work`, `commit`, `environment`, `began`, `finished`, `parts`.",
        examples=[
            ("noria predict delay@champion --input flights/ --output answers/", "a folder of Parquet"),
            ("noria predict delay:7 --input 's3://b/2025/*.parquet' --output s3://b/answers", "in a bucket"),
            (
                "noria predict delay --input new.csv --output answers --columns carrier",
                "a column carried over",
            ),
            ("noria predict delay --input flights/ --output answers/ --resume", "go on after a kill"),
        ],
        reads=True,
    )
    _what(parser)
    _how(parser)


def _what(parser: argparse.ArgumentParser) -> None:
    """What is answered, and what is written."""
    add_ = parser.add_argument
    add_("ref", metavar="REF", help="delay@champion, delay:3 or delay")
    add_(
        "--input",
        required=True,
        metavar="PATH",
        help="a file, a folder, a pattern; or s3://..., gs://..., az://...",
    )
    add_("--output", required=True, metavar="FOLDER", help="where the parts go; or s3://... and so on")
    add_(
        "--columns", nargs="+", default=[], metavar="NAME", help="columns of the input that are carried over"
    )
    add_(
        "--on-refused",
        choices=["fail", "null"],
        default="fail",
        help="a row that a service would refuse fails its part (default), or gets a null answer and says why",
    )


def _how(parser: argparse.ArgumentParser) -> None:
    add_ = parser.add_argument
    add_(
        "--batch-rows",
        type=whole,
        default=BATCH_ROWS,
        metavar="N",
        help=f"rows in memory at once, a worker (default: {BATCH_ROWS})",
    )
    add_("--engine", choices=["local", "ray"], help="where the parts are done (default: from noria.toml)")
    add_(
        "--log",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="let the records know of the batch, for noria trace and noria predictions --batch (default: yes)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--resume", action="store_true", help="go on with the batch that was begun there, if one was"
    )
    which.add_argument(
        "--overwrite", action="store_true", help="drop an earlier batch's files from the output first"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    inside(args)
    asked = Asked(
        input=_given(args.input, "--input"),
        output=_given(args.output, "--output"),
        columns=args.columns,
        batch_rows=args.batch_rows,
        on_refused=args.on_refused,
        engine=args.engine,
        log=args.log,
        resume=args.resume,
        overwrite=args.overwrite,
    )
    told = _Told(quiet=args.quiet)
    with open_app(project(args)) as app:
        try:
            done = predict(app, args.ref, asked, told=told, note=note)
        except KeyboardInterrupt:
            note("what is whole is kept: the same command with --resume goes on from there")
            raise
    if args.json:
        say_json(done.manifest)
    else:
        say(*done_lines(done))
    return 0


def done_lines(done: Predictions) -> list[str]:
    manifest = done.manifest
    rows, parts = manifest.rows, len(manifest.parts)
    rate = f", {rows / done.seconds:,.0f} rows a second" if rows and not done.known else ""
    known = f", {done.known} of them there already" if done.known else ""
    memory = max((part.memory for part in manifest.parts), default=0)
    return [
        f"{paint(manifest.id, 'bold')}  {rows:,} rows answered by {paint(manifest.work.version, 'bold')}",
        *fields(
            [
                ("input", f"{count(len(manifest.work.files), 'file')} of {manifest.work.input}"),
                ("output", f"{count(parts, 'part')} in {done.output}{known}"),
                ("refused", f"{manifest.refused:,} rows, whose answer is null" if manifest.refused else ""),
                ("nulls", _summed(part.nulls for part in manifest.parts)),
                ("unknown", _summed(part.unknown for part in manifest.parts)),
                ("took", f"{span(done.seconds)}{rate}"),
                ("memory", f"{size(memory)} a worker at most"),
                ("log", "" if done.logged else "the records do not know of it (--no-log)"),
            ]
        ),
    ]


class _Told:
    """Progress on stderr, a line now and then."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._began = self._said = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._quiet or now - self._said < EVERY:
            return
        self._said = now
        failed = f", {len(progress.failed)} failed" if progress.failed else ""
        print(
            f"{len(progress.done)} of {progress.parts} parts, {progress.rows:,} rows{failed}, {span(now - self._began)}",
            file=sys.stderr,
            flush=True,
        )


def _summed(counts: Iterable[Mapping[str, int]]) -> str:
    """Counts by column, over all parts."""
    summed: Counter[str] = Counter()
    for each in counts:
        summed.update(each)
    return ", ".join(f"{name} {number:,}" for name, number in summed.items())


def _given(text: str, option: str) -> str:
    if not text.strip():
        raise BadUsage(problem=f"{option} is empty", command="noria predict")
    return text
