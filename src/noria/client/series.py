"""What a run logged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl


class Series:
    """Figures over steps: `.table()` has `step` (of the pipeline), `name`, `at_step` (the epoch), `value` and `at`."""

    def __init__(self, run: str, frame: pl.DataFrame) -> None:
        self.run = run
        self._frame = frame

    @property
    def names(self) -> list[str]:
        """Every series, in the order in which they were first logged."""
        return self._frame["name"].unique(maintain_order=True).to_list()

    def table(self) -> pl.DataFrame:
        return self._frame

    def __getitem__(self, name: str) -> pl.DataFrame:
        """The points of one name, of all steps that logged it; empty where none did."""
        import polars as pl

        return self._frame.filter(pl.col("name") == name)

    def __len__(self) -> int:
        """How many points."""
        return self._frame.height

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """`pl.DataFrame(run.series)`, and whatever else takes Arrow."""
        return self._frame.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        named = ", ".join(self.names[:8]) + (", ..." if len(self.names) > 8 else "")
        return f"<series of {self.run}: {len(self):,} points{f' of {named}' if named else ''}>"

    def _repr_html_(self) -> str:
        from noria.client.display import series_html

        return series_html(self.run, self._frame)
