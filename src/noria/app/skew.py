"""Skew between training and service: the same rows, as they were asked and as the data step has them now.

A version's own data ends before its service begins, so the newest version's data is taken: it holds rows that were asked
about earlier. What the service computes from a request is the training's own graph; so what can differ is the request.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from noria.app.predictions import predictions
from noria.monitor.blocks import block_span
from noria.ports.serving import AT, KEY, REQUEST
from noria.records.base import Record
from noria.records.predictions import key_text
from noria.records.versions import Version

if TYPE_CHECKING:
    import polars as pl

    from noria.app.wiring import App

SPAN = 84  # blocks back: a quarter of days, so that a retraining lies within
ROWS = 200_000  # of the newest predictions, at most
SAME = 1e-6  # relative; a request carries numbers as text, and training may hold them in 32 bits


class ColumnSkew(Record, kw_only=True):
    """One column over the rows that were found in both."""

    differ: float
    """Share of rows whose value is another one, or is there in one of the two alone."""
    asked: str = ""
    had: str = ""
    """One example, the first."""


class Skew(Record, kw_only=True):
    """What was asked beside what training has."""

    version: str = ""
    """Whose data it is held against."""
    rows: int = 0
    """Found in both, by their key."""
    columns: dict[str, ColumnSkew] = {}
    """Those that differ anywhere, the worst first."""
    why: str = ""
    """Why there is nothing to compare."""


def skew_words(one: Skew) -> list[str]:
    if one.why:
        return [f"nothing to compare: {one.why}"]
    head = f"{one.rows:,} row{'' if one.rows == 1 else 's'} as asked beside the data of {one.version}"
    found = [
        f"{name}: {each.differ:.1%} differ, as {each.asked} asked and {each.had} in training"
        for name, each in one.columns.items()
    ]
    return [head, *(found or ["no value differs"])]


def skew(app: App, version: Version) -> Skew:
    """Of all requests of the last quarter, whichever version answered. Reads the log: asked for, not watched."""
    import polars as pl

    log = app.policy.service.log
    newest = app.records.versions.versions(version.model)[0]
    key = newest.signature.key
    if not key or {*key} & {*log.redact, *log.hash}:
        return Skew(
            why="rows are found by their key, and " + ("the log hides it" if key else "there is none")
        )
    since = app.clock.now() - SPAN * block_span(app.model(version.model).monitor.block) - timedelta(days=1)
    asked = predictions(app, version.model, since=since, limit=ROWS).sort(AT).unique(KEY, keep="last")
    had = pl.DataFrame(app.artifacts.table(newest.rows))
    texts = [key_text(values) for values in had.select(key).iter_rows()]
    had = had.with_columns(pl.Series(KEY, texts, dtype=pl.String)).unique(KEY, keep="last")
    names = [one.name for one in newest.signature.request if one.name not in {*key, *log.redact, *log.hash}]
    both = asked.join(
        had.rename({name: f"had.{name}" for name in had.columns if name != KEY}), on=KEY, how="inner"
    )
    if not both.height:
        return Skew(
            version=newest.name,
            why=f"no row that was asked about is in the data of {newest.name} yet: train again",
        )
    found = {name: one for name in names if (one := _column(both, name)) is not None}
    worst = dict(sorted(found.items(), key=lambda item: -item[1].differ))
    return Skew(version=newest.name, rows=both.height, columns=worst)


def _column(both: pl.DataFrame, name: str) -> ColumnSkew | None:
    """None where every row has the same, or where the column is in one of the two alone."""
    import polars as pl

    asked, had = REQUEST + name, f"had.{name}"
    if asked not in both.columns or had not in both.columns:
        return None
    one, other = pl.col(asked), pl.col(had)
    if both.schema[asked].is_numeric() and both.schema[had].is_numeric():
        near = (one - other).abs() <= SAME * pl.max_horizontal(one.abs(), other.abs())
    else:
        near = one.cast(pl.String) == other.cast(pl.String)
    same = near.fill_null(False) | (one.is_null() & other.is_null())
    differing = both.filter(~same)
    if not differing.height:
        return None
    first = differing.row(0, named=True)
    return ColumnSkew(differ=differing.height / both.height, asked=str(first[asked]), had=str(first[had]))
