"""Label debt: a champion's predictions joined with the labels that have come, counted by age."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from noria.graph.traffic import own_rows
from noria.ports.records import FeedbackRecords
from noria.ports.serving import ID, KEY, TIME, VERSION, WAY, Piece
from noria.records.debt import AgeGroup
from noria.records.monitoring import NewFeedback

if TYPE_CHECKING:
    import polars as pl

HOUR, DAY = 3600.0, 86_400.0
AGES = (HOUR, DAY, 7 * DAY, 30 * DAY)  # the ages at which people ask: just now, today, this week, this month
STATES = ("labelled", "waiting", "owed")
EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # as the monitor's blocks begin: on a Monday


def label_debt(
    pieces: Iterable[Piece],
    labels: Iterable[NewFeedback],
    *,
    version: int,
    now: datetime,
    block: timedelta,
    maturity: timedelta | None,
) -> tuple[AgeGroup, ...]:
    """A group an age, the youngest first. A label is owed when the prediction's block of event time ended `maturity` ago;
    with None nobody knows when, so none is owed."""
    import polars as pl

    rows = _with_labels(_answered(pieces, version), labels)
    until = None if maturity is None else last_mature(now - maturity, block)
    state = pl.when("labelled").then(0).when(_owed(until)).then(2).otherwise(1)
    age = pl.sum_horizontal(pl.lit(now) - pl.col(TIME) > timedelta(seconds=each) for each in AGES)
    counted = rows.group_by(age.alias("age"), state.alias("state")).len()
    found = {(int(age), int(state)): int(count) for age, state, count in counted.iter_rows()}
    return tuple(_group(found, at) for at in range(len(AGES) + 1))


def all_labels(records: FeedbackRecords, model: str) -> Iterator[NewFeedback]:
    """Every label that came for a model."""
    seq = 0
    while some := records.after(model, seq):
        yield from (one.what for one in some)
        seq = some[-1].seq


def _group(found: dict[tuple[int, int], int], at: int) -> AgeGroup:
    counts = {name: found.get((at, state), 0) for state, name in enumerate(STATES)}
    return AgeGroup(upto=AGES[at] if at < len(AGES) else None, **counts)


def _answered(pieces: Iterable[Piece], version: int) -> pl.DataFrame:
    """Id, key and event time of a champion's predictions."""
    import polars as pl

    empty = pl.DataFrame(schema={ID: pl.String, KEY: pl.String, TIME: pl.Datetime("us", "UTC")})
    frames = [
        own_rows(pl.DataFrame(table), version).select(empty.columns).cast(empty.schema)
        for piece in pieces
        for table in piece.tables((ID, KEY, TIME, VERSION, WAY))
    ]
    return pl.concat([empty, *frames])


def _with_labels(rows: pl.DataFrame, labels: Iterable[NewFeedback]) -> pl.DataFrame:
    """The rows, and whether each is `labelled`: by its id or by its key."""
    import polars as pl

    refs = pl.DataFrame(
        [(one.by, one.ref) for one in labels], schema={"by": pl.String, "ref": pl.String}, orient="row"
    )
    by = {each: refs.filter(by=each)["ref"].unique() for each in ("id", "key")}
    known = pl.col(ID).is_in(by["id"].implode()) | pl.col(KEY).is_in(by["key"].implode()).fill_null(False)
    return rows.with_columns(labelled=known)


def last_mature(moment: datetime, block: timedelta) -> datetime:
    """The end of the last block that ended by then."""
    return EPOCH + (moment - EPOCH) // block * block


def _owed(until: datetime | None) -> pl.Expr:
    import polars as pl

    return pl.lit(False) if until is None else pl.col(TIME) < until
