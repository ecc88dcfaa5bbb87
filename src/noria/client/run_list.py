"""`noria.runs("delay")`: a model's runs, the newest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from noria.app.read import RunView, find_run, list_runs
from noria.client.errors import NoneSucceeded, NotNamed
from noria.client.filters import Filter, filter_of
from noria.client.place import Place, explained, place_of
from noria.client.run import Run

if TYPE_CHECKING:
    import polars as pl

    from noria.app.wiring import App
    from noria.client.comparison import Compared

FIRST, LARGER = 64, 16  # runs of the first look, and how much further each next one reaches back
ALL = 1 << 31
ASIDE = ("trial", "proof")  # runs beside the wheel's own: nobody means one by `latest`


def runs(model: str | None = None, *, project: str | Path | None = None) -> Runs:
    """The runs of a model, of all models when none is named; the newest first, and fresh at each look.

    `project` is a folder of the project, else NORIA_PROJECT's, else the working folder. Nothing is written: it works
    beside a run under way, from a read-only file system and without a server. Raises `NoProject`, `UnknownModel`, and
    `NoRecords` where nothing ran yet.
    """
    found = Runs(place_of(project), model)
    with found._place.look() as app:
        list_runs(app, model, last=1)
    return found


@dataclass(frozen=True, repr=False)
class Runs:
    """Runs of a project: iterate, slice, `len`; `[143]` by number, `["delay/143"]` by name."""

    _place: Place
    model: str | None = None
    _filters: tuple[Filter, ...] = ()
    _windows: tuple[slice, ...] = ()

    @property
    def latest(self) -> Run:
        """The newest that succeeded; a trial of `noria tune` or a rebuild only if one asks for such (`where`). Raises
        `NoneSucceeded`."""
        with self._place.look() as app:
            asks = any(one.triggers for one in self._filters)
            for view in self._views(app):
                if view.state == "succeeded" and (asks or view.run.asked.trigger.kind not in ASIDE):
                    return Run(self._place, view)
            raise NoneSucceeded(model=self.model or "any model")

    def where(
        self,
        *,
        state: str | Iterable[str] | None = None,
        since: object = None,
        parameter: object = None,
        trigger: str | Iterable[str] | None = None,
    ) -> Runs:
        """Those of a state (`"failed"`), since a time (`"2025-03-01"`, a datetime, a timedelta for how long ago), with
        parameters (`{"classifier.learning_rate": 0.1}`; a function tests the value), or of a trigger. Raises
        `BadFilter`."""
        with explained():
            more = filter_of(state, trigger, since, parameter)
        if self._windows:
            raise NotNamed(key="where", fix="filter first, then slice")
        return replace(self, _filters=(*self._filters, more))

    def table(self) -> pl.DataFrame:
        """A row a run: name, state, started, seconds, trigger, commit, version, parameters and metrics."""
        from noria.client.tables import runs_table

        with self._place.look() as app:
            return runs_table(list(self._views(app, first=ALL)))

    def compare(
        self, which: Iterable[int | str | Run] | None = None, *, metric: str | None = None
    ) -> Compared:
        """These runs side by side, or those of them that are named: `compare([141, 143])`. With a metric the best comes
        first. Raises `NothingToCompare`, `UnknownMetric`, `UnknownRun`."""
        from noria.client.comparison import comparison

        with self._place.look() as app:
            if which is None:
                names = [view.name for view in self._views(app)]
            else:
                names = [one.name if isinstance(one, Run) else self._name(app, one) for one in which]
            return comparison(app, names, metric=metric)

    def __len__(self) -> int:
        with self._place.look() as app:
            return sum(1 for _ in self._views(app, first=ALL))

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    def __iter__(self) -> Iterator[Run]:
        """Lazily: each page is a look of its own, and none is open in between."""
        seen: set[str] = set()
        reach = FIRST
        while True:
            with self._place.look() as app:
                found, reached = self._page(app, reach)
            yield from (Run(self._place, view) for view in found if view.name not in seen)
            seen.update(view.name for view in found)
            if not reached:
                return
            reach *= LARGER

    @overload
    def __getitem__(self, key: int | str) -> Run: ...
    @overload
    def __getitem__(self, key: slice) -> Runs: ...
    def __getitem__(self, key: int | str | slice) -> Run | Runs:
        """A run by number or name; a slice by position, the newest first. Raises `UnknownRun`, `NotNamed`."""
        with explained():
            if isinstance(key, slice):
                return replace(self, _windows=(*self._windows, _sound(key)))
            with self._place.look() as app:
                return Run(self._place, find_run(app, self._name(app, key)))

    def __repr__(self) -> str:
        from noria.client.display import runs_text

        return runs_text(self._title(), *self._some(10))

    def _repr_html_(self) -> str:
        from noria.client.display import runs_html

        return runs_html(self._title(), *self._some(20))

    def _some(self, count: int) -> tuple[list[RunView], bool]:
        """The first few, and whether there are more."""
        with self._place.look() as app:
            found = list(islice(self._views(app, first=count + 1), count + 1))
        return found[:count], len(found) > count

    def _title(self) -> str:
        chosen = " that were chosen" if self._filters or self._windows else ""
        return f"runs of {self.model}{chosen}" if self.model else f"runs{chosen}"

    def _name(self, app: App, key: object) -> str:
        if isinstance(key, str) and "/" in key:
            return key
        if isinstance(key, bool) or not isinstance(key, int | str) or not str(key).isdecimal():
            raise NotNamed(key=str(key))
        return f"{self.model or app.model(None).name}/{key}"

    def _views(self, app: App, *, first: int = FIRST) -> Iterator[RunView]:
        """Those that fit, in this one look."""
        seen: set[str] = set()
        reach, more = first, True
        while more:
            found, more = self._page(app, reach)
            yield from (view for view in found if view.name not in seen)
            seen.update(view.name for view in found)
            reach *= LARGER

    def _page(self, app: App, reach: int) -> tuple[Sequence[RunView], bool]:
        """Those that fit among the newest `reach` runs, and whether older ones may fit, too. A window of the newest
        that grows reads each run 1.07 times in all: the records need no cursor for it."""
        read = list_runs(app, self.model, last=min(reach, ALL))
        more = len(read) == reach
        found: Sequence[RunView] = [view for view in read if all(one.fits(view) for one in self._filters)]
        if read and any(one.since and read[-1].run.started < one.since for one in self._filters):
            more = False
        for window in self._windows:
            more = more and (window.stop is None or len(found) < window.stop)
            found = found[window]
        return found, more


def _sound(key: slice) -> slice:
    """A slice that a list which is read from its start can serve."""
    parts: list[Any] = [key.start, key.stop, key.step]
    if any(part is not None and (not isinstance(part, int) or part < 0) for part in parts) or key.step == 0:
        raise NotNamed(
            key=f"[{key.start}:{key.stop}:{key.step}]", fix="count from the newest run on, without minus"
        )
    return key
