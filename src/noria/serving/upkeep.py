"""One round of care for a model's prediction log, in a process of its own: `python -m noria.serving.upkeep`.

Closed segments become Parquet, files that nobody needs any more go, and labels are counted. It may be killed at any
time. On stdout comes one JSON line with what it did.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noria.errors import NoriaError, render
from noria.fast.apart import without_pandas
from noria.ports.clock import RealClock
from noria.ports.surroundings import THREADS
from noria.records.debt import AgeGroup
from noria.records.versions import Version

if TYPE_CHECKING:
    from noria.adapters.log_rotation import Round
    from noria.adapters.sql import Records

WATCHED = "champion"  # the alias that is monitored
POLITE = 10  # niceness: whoever answers goes first


class Report(msgspec.Struct, kw_only=True):
    """What a round did."""

    rotated: int = 0
    rows: int = 0
    dropped: int = 0
    held: int = 0
    version: int | None = None
    """The champion, whose labels were counted."""
    ages: tuple[AgeGroup, ...] = ()


def main() -> int:
    """The exit code."""
    options = _parser().parse_args()
    os.nice(POLITE)
    for name in THREADS:  # numpy's wait for work by spinning, a third of a round over one segment
        os.environ.setdefault(name, "1")
    without_pandas()
    gc.disable()  # a round makes millions of values and no cycles: looking for them takes a fifth of it
    try:
        report = care(options)
    except NoriaError as error:
        print(render(error), file=sys.stderr)
        return error.exit
    print(msgspec.json.encode(report).decode(), flush=True)
    return 0


def care(options: argparse.Namespace) -> Report:
    """One round. Raises `Unavailable` where the records cannot be read; segments are rotated by then."""
    from noria.adapters.log_rotation import Rotation, Round

    state, done = Path(options.state), Round()
    rotation, now = Rotation(state / "log", options.model), RealClock().now()
    rotation.rotate(done)
    if options.segments_alone:
        return _report(done)
    from noria.adapters.sql import open_records  # a sixth of what such a round is for one segment

    with open_records(os.environ.get("NORIA_RECORDS") or state / "noria.db") as records:
        champion = _champion(records, options.model)
        age = _maturity(champion, options.maturity)
        if options.keep is not None:
            needed = _needed(records, champion, age)
            rotation.drop(done, before=now - timedelta(seconds=options.keep), needed=needed)
        ages = _ages(options, records, champion, age, now)
    return msgspec.structs.replace(_report(done), version=champion and champion.number, ages=ages)


def _report(done: Round) -> Report:
    return Report(rotated=done.rotated, rows=done.rows, dropped=done.dropped, held=done.held)


def _champion(records: Records, model: str) -> Version | None:
    number = records.versions.aliases(model).get(WATCHED)
    return None if number is None else records.versions.version(model, number)


def _maturity(version: Version | None, given: float | None) -> timedelta | None:
    """How old a block is when it is scored; None: it never is."""
    if version is None or version.quality is None:
        return None
    seconds = version.label_delay if given is None else given
    return None if seconds is None else timedelta(seconds=seconds)


def _needed(
    records: Records, champion: Version | None, maturity: timedelta | None
) -> dict[int, datetime | None]:
    """From which event time on the monitor still has to score the champion's rows; nothing where it does not watch."""
    if champion is None or maturity is None:
        return {}
    state = records.monitors.state(champion.model, champion.number)
    return {champion.number: state.scored_until if state else None}


def _ages(
    options: argparse.Namespace,
    records: Records,
    champion: Version | None,
    maturity: timedelta | None,
    now: datetime,
) -> tuple[AgeGroup, ...]:
    from noria.adapters.log_reader import LogReader
    from noria.graph.debt import all_labels, label_debt

    if champion is None or champion.label is None:
        return ()
    return label_debt(
        LogReader(Path(options.state) / "log").pieces(options.model, version=champion.number),
        all_labels(records.feedback, options.model),
        version=champion.number,
        now=now,
        block=timedelta(seconds=options.block),
        maturity=maturity,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m noria.serving.upkeep", description=__doc__)
    parser.add_argument("--state", required=True, help="the project's .noria folder")
    parser.add_argument("--model", required=True)
    parser.add_argument("--keep", type=float, help="seconds that rows are kept; for ever without it")
    parser.add_argument("--maturity", type=float, help="seconds after a block before labels are owed")
    parser.add_argument("--block", type=float, default=86_400.0, help="seconds of a block of event time")
    parser.add_argument("--segments-alone", action="store_true", help="rotate, and do nothing else")
    return parser


if __name__ == "__main__":
    sys.exit(main())
