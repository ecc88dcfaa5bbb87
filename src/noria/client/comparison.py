"""Runs side by side, in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.app.compare import Comparison, charts, compare
from noria.app.output import UnknownForm, write_output
from noria.client.place import explained

if TYPE_CHECKING:
    import polars as pl

    from noria.app.pages.lines import Chart
    from noria.app.wiring import App


class Compared:
    """Runs side by side as they were when they were compared."""

    def __init__(self, record: Comparison, charts: Sequence[Chart], made: datetime) -> None:
        self.record = record
        """What differs, as a record: `runs`, `parameters`, `origins`, `metrics`."""
        self._charts = charts
        self._made = made

    @property
    def html(self) -> str:
        """A page with figures."""
        from noria.app.pages.compare import compare_page

        return compare_page(self.record, self._charts, made=self._made)

    def table(self) -> pl.DataFrame:
        """A row a run: its name, what differs, every metric."""
        import polars as pl

        found = self.record
        columns: list[tuple[str, list[Any]]] = [("name", [side.name for side in found.runs])]
        columns += [(one.name, list(one.values)) for one in (*found.origins, *found.parameters)]
        columns += [(one.name, list(one.values)) for one in found.metrics]
        return pl.DataFrame([pl.Series(name, values, strict=False) for name, values in dict(columns).items()])

    def save(self, path: str | Path) -> Path:
        """Write a page (`.html`) or a picture (`.png`). Raises `UnknownForm`, `OutputRefused`, `NeedsMatplotlib`."""
        from noria.app.pages.picture import picture

        form = Path(path).suffix.lower()
        with explained():
            if form not in (".html", ".png"):
                raise UnknownForm(path=str(path), known=[".html", ".png"])
            write_output(Path(path), picture(self.record, self._charts) if form == ".png" else self.html)
        return Path(path)

    def __repr__(self) -> str:
        return f"<{len(self.record.runs)} runs compared: {len(self.record.parameters)} parameters differ>"

    def _repr_html_(self) -> str:
        from noria.client.display import comparison_html

        return comparison_html(self.record, self._charts)


def comparison(app: App, names: Sequence[str], *, metric: str | None) -> Compared:
    found = compare(app, names, metric=metric)
    return Compared(found, charts(app, found), app.clock.now())
