"""Predictions as the log has them, the newest first, each with the label that holds for it now."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.app.feedback import key_from_text
from noria.app.labelled import labels_of
from noria.app.output import OutputRefused, UnknownForm
from noria.app.promote import find_version
from noria.app.unified import unified, values_as_column
from noria.ports.serving import AT, ID, KEY, UnknownPrediction
from noria.records.base import Record

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from noria.app.wiring import App

LABEL, KNOWN = "label", "label_known"  # columns beside the log's own


class Wanted(Record, kw_only=True):
    """Which predictions."""

    model: str
    since: datetime | None = None
    until: datetime | None = None
    """Before this time."""
    version: int | None = None
    key: str | None = None
    """As the log has it."""
    id: str | None = None
    limit: int | None = None
    """The newest; None: all."""


def predictions(
    app: App,
    model: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    version: int | None = None,
    key: str | None = None,
    id: str | None = None,
    limit: int | None = None,
) -> pl.DataFrame:
    """A row a prediction: `id`, `at`, `time`, `version`, `key`, `unit`, `took`, `way`, `request.*`, `answer.*`, then
    `label` and `label_known`. `key` is written as text, several columns as a JSON array.

    Versions whose columns differ are put together by name, with nulls, and numbers in the wider type. Raises
    `UnknownModel`, `UnknownVersion`, `UnknownPrediction`, `BadFeedback` for a key that is none.
    """
    name = app.model(model).name
    if version is not None:
        find_version(app, f"{name}:{version}")
    wanted = Wanted(
        model=name,
        since=since,
        until=until,
        version=version,
        key=None if key is None else key_from_text(app, name, key),
        id=id,
        limit=limit,
    )
    frame = _one(app, wanted) if id is not None else _newest(app, wanted)
    return with_labels(app, name, frame)


def with_labels(app: App, model: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The same with the label that holds for each row: that of its id, else that of its key."""
    import polars as pl

    found = labels_of(app, model, frame[ID].to_list(), frame[KEY].to_list()) if frame.height else []
    return frame.with_columns(
        values_as_column(LABEL, [one and one.label for one in found]),
        pl.Series(KNOWN, [one and one.known for one in found], pl.Datetime("us", "UTC")),
    )


def write_predictions(frame: pl.DataFrame, path: Path) -> None:
    """Write .parquet or .ndjson. Raises `UnknownForm`, `OutputRefused`."""
    writers: dict[str, Callable[[Path], Any]] = {
        ".parquet": frame.write_parquet,
        ".ndjson": frame.write_ndjson,
        ".jsonl": frame.write_ndjson,
    }
    if path.suffix not in writers:
        raise UnknownForm(path=str(path), known=list(writers))
    try:
        writers[path.suffix](path)
    except OSError as error:
        raise OutputRefused(path=str(path), why=error.strerror or str(error)) from error


def _one(app: App, wanted: Wanted) -> pl.DataFrame:
    found = app.predictions.find(wanted.id or "", wanted.model)
    if found is None:
        raise UnknownPrediction(model=wanted.model, ids=[wanted.id or ""])
    return unified([] if found.row is None else [_chosen(found.row, wanted)])


def _newest(app: App, wanted: Wanted) -> pl.DataFrame:
    """Piece by piece, the newest first, until no older piece can hold a row that is wanted."""
    import polars as pl

    frames: list[pl.DataFrame] = []
    for piece in app.predictions.pieces(wanted.model, version=wanted.version, since=wanted.since):
        if piece.newest is not None and _enough(frames, wanted.limit, piece.newest):
            break
        frames += _kept(piece.tables(None), wanted)
    whole = unified(frames)
    newest = whole.sort(pl.col(AT), pl.col(ID), descending=True)
    return newest if wanted.limit is None else newest.head(wanted.limit)


def _enough(frames: Sequence[pl.DataFrame], limit: int | None, newest: datetime) -> bool:
    """Whether so many rows came after a time already."""
    import polars as pl

    if limit is None:
        return False
    return sum(frame.filter(pl.col(AT) > newest).height for frame in frames) >= limit


def _kept(tables: Iterator[pa.Table], wanted: Wanted) -> list[pl.DataFrame]:
    """Of one piece; with a limit no more of it than that is held in memory."""
    import polars as pl

    kept: list[pl.DataFrame] = []
    for table in tables:
        kept.append(_chosen(table, wanted))
        if wanted.limit is not None:
            kept = [pl.concat(kept).sort(AT, ID).tail(wanted.limit)]
    return [frame for frame in kept if frame.height]


def _chosen(table: pa.Table, wanted: Wanted) -> pl.DataFrame:
    import polars as pl

    conditions = [
        pl.col(AT) >= wanted.since if wanted.since else None,
        pl.col(AT) < wanted.until if wanted.until else None,
        pl.col("version") == wanted.version if wanted.version is not None else None,
        pl.col(KEY) == wanted.key if wanted.key is not None else None,
    ]
    frame = pl.DataFrame(table)
    return frame.filter(*(one for one in conditions if one is not None))


def as_lines(frame: pl.DataFrame) -> Iterator[str]:
    """A JSON object a prediction, with the request's and the answer's columns under `request` and `answer`; fields
    without a value are left out, nulls of the request are not."""
    for row in frame.iter_rows(named=True):
        yield json.dumps(as_object(row), ensure_ascii=False, sort_keys=True)


def as_object(row: dict[str, Any]) -> dict[str, Any]:
    """One prediction in JSON's terms."""
    from noria.graph.columns import as_json

    told: dict[str, Any] = {"request": {}, "answer": {}}
    for name, value in row.items():
        group, dot, column = name.partition(".")
        if dot and group in told:
            told[group][column] = _finite(as_json(value))
        elif value is not None and value != "":
            told[name] = as_json(value)
    return told


def _finite(value: Any) -> Any:
    """NaN and infinities are no JSON."""
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return None if isinstance(value, float) and value - value != 0.0 else value
