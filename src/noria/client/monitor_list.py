"""`noria.monitors("delay")`: how a champion's monitors stand, and their history as polars frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from noria.app.output import UnknownForm, write_output
from noria.client.place import Place, explained, place_of

if TYPE_CHECKING:
    import polars as pl

    from noria.app.monitors import MonitorsView


class Monitors:
    """The monitors of one model; each method looks anew."""

    def __init__(self, place: Place, model: str | None) -> None:
        self._place = place
        self._model = model

    @property
    def record(self) -> MonitorsView:
        """How they stand now: `tests`, `alarms`, `labels`, `plan`."""
        return self._look()

    def history(self) -> pl.DataFrame:
        """A row a block and test, of every version: `version`, `start`, `family`, `subject`, `e_value`, `threshold`, and
        `value`: the block's loss, or the distance of a distribution from the training data's."""
        from noria.app.monitors import history

        with self._place.look() as app:
            return history(app, self._model)

    def blocks(self) -> pl.DataFrame:
        """A row a block and column of what was asked: `version`, `start`, `rows`, `column`, `missing`, `outside`,
        `unknown`, `mean`."""
        from noria.app.monitors import blocks

        with self._place.look() as app:
            return blocks(app, self._model)

    def calibration(self) -> pl.DataFrame:
        """A row a bin of the answers whose labels have come: `answered`, `happened`, `lower`, `upper`, `rows`; none where
        answers are no probabilities, or too few have a label. Reads the log."""
        import polars as pl

        found = self._look(estimated=True).estimate
        names = ("answered", "happened", "lower", "upper", "rows")
        rows = [tuple(getattr(one, name) for name in names) for one in (found.bins if found else ())]
        types: list[Any] = [pl.Float64] * 4 + [pl.Int64]
        return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")

    def skew(self) -> pl.DataFrame:
        """A row a column whose values were asked otherwise than the newest data have them, by the rows' keys: `column`,
        `differ` (the share of rows), `asked` and `had` (an example), `rows` (found in both). Reads the log."""
        import polars as pl

        found = self._look(skewed=True).skew
        each = found.columns.items() if found else ()
        rows = [(name, one.differ, one.asked, one.had, found.rows if found else 0) for name, one in each]
        schema: dict[str, Any] = {
            "column": pl.String,
            "differ": pl.Float64,
            "asked": pl.String,
            "had": pl.String,
            "rows": pl.Int64,
        }
        return pl.DataFrame(rows, schema=schema, orient="row")

    def save(self, path: str | Path) -> Path:
        """Write a page (`.html`) or a picture (`.png`). Raises `UnknownForm`, `OutputRefused`, `NeedsMatplotlib`."""
        from noria.app.pages.evidence import evidence_page, evidence_picture

        form = Path(path).suffix.lower()
        with explained():
            if form not in (".html", ".png"):
                raise UnknownForm(path=str(path), known=[".html", ".png"])
            view = self.record
            write_output(Path(path), evidence_picture(view) if form == ".png" else evidence_page(view))
        return Path(path)

    def _look(self, *, estimated: bool = False, skewed: bool = False) -> MonitorsView:
        from noria.app.monitors import monitors

        with self._place.look() as app:
            return monitors(app, self._model, estimated=estimated, skewed=skewed)

    def __repr__(self) -> str:
        view = self.record
        rung = sum(one.state == "alarm" for one in view.tests)
        return f"<monitors of {view.model}:{view.version}: {len(view.tests)} tests, {rung} rang>"

    def _repr_html_(self) -> str:
        from noria.app.pages.evidence import evidence_parts
        from noria.app.pages.style import snippet

        return snippet(*evidence_parts(self.record))


def monitors(model: str | None = None, *, project: str | Path | None = None) -> Monitors:
    """The monitors of a model; `project` as in `noria.runs`. Raises `NoProject`; its methods `UnknownModel`."""
    return Monitors(place_of(project), model)
