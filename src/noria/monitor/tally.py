"""Rows of blocks that are still open, as counts alone: memory does not grow with the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from noria.graph.traffic import own_rows
from noria.monitor.blocks import block_numbers_of, from_the_future
from noria.monitor.columns import columns_of
from noria.monitor.quality import counts
from noria.monitor.strata import NONE, strata_of
from noria.ports.serving import ANSWER, AT, REQUEST, TIME, TOOK, Cursor
from noria.records.sights import ColumnSpec

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

    from noria.statistics import BlockCounts, DriftReference

PREFIX = {"drift": REQUEST, "prediction": ANSWER}


class Tally:
    """Counts of one version's rows, by block; `since`: blocks before it have been looked at."""

    def __init__(
        self,
        specs: Sequence[ColumnSpec],
        tests: Mapping[str, DriftReference],
        width: timedelta,
        latency_ms: float | None,
        since: int | None,
        strata: Mapping[str, str] | None = None,
    ) -> None:
        """`strata`: of each test, what blocks must have in common to be compared."""
        self._specs = specs
        self._tests = tests
        self._kinds = {name: _kinds(test) for name, test in tests.items()}
        self._width = width
        self._latency = latency_ms
        self._strata = strata or {}
        self._since = since
        self._counts: dict[str, BlockCounts] = {}
        self._quality: dict[int, dict[str, float]] = {}
        self._asked: dict[
            int, tuple[int, int]
        ] = {}  # of a block's requests, when the first and the newest came
        self._read: list[tuple[Cursor, int]] = []  # where a part began to be read, and its newest block
        self._fresh = False
        self.late = 0
        """Rows that came after their block had been looked at."""

    def add(self, table: pa.Table, cursor: Cursor, *, version: int) -> None:
        """Count what a version was asked as the champion, in a part of the log that was read from `cursor` on."""
        import polars as pl

        frame = own_rows(pl.DataFrame(table), version)
        frame = frame.filter(~from_the_future(TIME, AT, self._width))
        frame = frame.with_columns(block_numbers_of(TIME, self._width).alias("_block"))
        if self._since is not None:
            known = frame.height
            frame = frame.filter(pl.col("_block") >= self._since)
            self.late += (known - frame.height) * self._fresh
        if frame.height:
            blocks: np.ndarray = frame["_block"].to_numpy()
            self._read.append((cursor, int(blocks.max())))
            self._count(frame, blocks)

    def caught_up(self) -> None:
        """All that was written before this process began has been read: what comes now is new."""
        self._fresh = True

    def blocks(self, *, before: int) -> list[int]:
        return sorted(index for index in self._quality if index < before)

    def counts(self, index: int) -> dict[str, BlockCounts]:
        """Of one block, for each test; of a block without rows nothing."""
        from noria.statistics import BlockCounts

        found = {}
        for name, counted in self._counts.items():
            here = counted.blocks == index
            if here.any():
                found[name] = BlockCounts(counted.blocks[here], counted.strata[here], counted.cells[here])
        return found

    def quality(self, index: int) -> dict[str, float]:
        return self._quality.get(index, {})

    def asked(self, index: int) -> tuple[int, int] | None:
        """When a block's first and newest requests came, in microseconds since 1970; None for one without."""
        return self._asked.get(index)

    def answers(self, counted: Mapping[str, float]) -> dict[str, float]:
        """Means of the answer's columns."""
        sums = {
            name.removeprefix("answer "): total
            for name, total in counted.items()
            if name.startswith("answer ")
        }
        means = {name: total / counted["rows"] for name, total in sums.items()}
        return {name: mean for name, mean in means.items() if mean - mean == 0.0}

    def forget(self, index: int) -> None:
        """A block that was looked at."""
        from noria.statistics import BlockCounts

        self._since = index + 1
        self._quality = {at: counted for at, counted in self._quality.items() if at > index}
        self._asked = {at: times for at, times in self._asked.items() if at > index}
        for name, counted in self._counts.items():
            here = counted.blocks > index
            self._counts[name] = BlockCounts(counted.blocks[here], counted.strata[here], counted.cells[here])
        self._read = [(cursor, newest) for cursor, newest in self._read if newest > index]

    def low_water(self, *, after: int, now: Cursor) -> Cursor:
        """From where on every row of the blocks after one is found."""
        return next((cursor for cursor, newest in self._read if newest > after), now)

    def _count(self, frame: pl.DataFrame, blocks: np.ndarray) -> None:
        for name, test in self._tests.items():
            strata = strata_of(self._strata.get(name, NONE), blocks, self._width)
            counted = test.count(columns_of(frame, self._kinds[name], prefix=PREFIX[name]), blocks, strata)
            known = self._counts.get(name)
            self._counts[name] = counted if known is None else known.merged(counted)
        for row in self._summed(frame).iter_rows(named=True):
            block = int(row.pop("_block"))
            first, newest = row.pop("first"), row.pop("newest")
            known_first, known_newest = self._asked.get(block, (first, newest))
            self._asked[block] = min(first, known_first), max(newest, known_newest)
            here = self._quality.setdefault(block, {})
            for key, value in row.items():
                here[key] = here.get(key, 0.0) + float(value or 0.0)

    def _summed(self, frame: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        counted = counts(frame, self._specs, prefix=REQUEST)
        at = pl.col(AT).dt.epoch("us")
        more: list[pl.Expr] = [at.min().alias("first"), at.max().alias("newest")]
        same = (pl.col(AT) == pl.col(AT).shift(1)).fill_null(False)
        if TOOK in frame.columns:  # rows of one request stand together, with one time and one duration
            same &= (pl.col(TOOK) == pl.col(TOOK).shift(1)).fill_null(False)
        more.append((~same).sum().alias("requests"))
        if TOOK in frame.columns:
            more.append(pl.col(TOOK).cast(pl.Float64).sum().alias("took"))
            if self._latency is not None:
                more.append((pl.col(TOOK) > self._latency * 1000).sum().alias("slow"))
        for name in frame.columns:
            if name.startswith(ANSWER) and frame.schema[name].is_numeric():
                more.append(pl.col(name).cast(pl.Float64).sum().alias(f"answer {name.removeprefix(ANSWER)}"))
        return counted.join(frame.group_by("_block", maintain_order=True).agg(more), on="_block")


def _kinds(test: DriftReference) -> dict[str, str]:
    from noria.statistics.drift_cells import Numbers

    return {
        feature: "number" if isinstance(cell, Numbers) else "category"
        for feature, cell in zip(test.features, test.cells, strict=True)
    }
