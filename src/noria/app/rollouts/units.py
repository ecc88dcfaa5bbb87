"""Whether new units still come while a rollout is compared: who comes again is new once, and requests make no more of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.records.rollouts import Came

if TYPE_CHECKING:
    import polars as pl


class Units:
    """Who has come, to either version: when first, counted in requests, and how often."""

    def __init__(self) -> None:
        self._known: pl.DataFrame | None = None
        self._asked = 0

    def add(self, units: pl.Series) -> None:
        """The next requests, by their time."""
        import polars as pl

        first = self._asked + pl.int_range(pl.len(), dtype=pl.Int64)
        frames = [
            pl.DataFrame({"unit": units}).select(
                "unit", first.alias("first"), pl.lit(1, pl.Int64).alias("times")
            )
        ]
        frames += [] if self._known is None else [self._known]
        self._asked += len(units)
        known = pl.concat(frames, how="vertical_relaxed").group_by("unit")
        self._known = known.agg(pl.col("first").min(), pl.col("times").sum())

    def came(self) -> Came:
        import polars as pl

        if self._known is None:
            return Came()
        again, later = self._known.select(
            (pl.col("times") > 1).sum().alias("again"), (pl.col("first") >= self._asked / 2).sum()
        ).row(0)
        return Came(units=self._known.height, again=again, later=later)
