"""`noria.monitors("delay")`: how a champion's monitors stand, and their history as polars frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
        from noria.app.monitors import monitors

        with self._place.look() as app:
            return monitors(app, self._model)

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
