"""`noria.versions("delay")`: what runs made, and who is champion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from noria.app.read import ModelView, list_models, read_version
from noria.client.place import Place, place_of
from noria.client.version import Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    import polars as pl


def versions(model: str | None = None, *, project: str | Path | None = None) -> Versions:
    """The versions of a model (the project's only one when none is named), the newest first, and fresh at each look.
    `project` as in `noria.runs`. Raises `NoProject`, `UnknownModel`, `NoRecords`."""
    place = place_of(project)
    with place.look() as app:
        found = Versions(place, model or app.model(None).name)
        list_models(app, found.model)
    return found


@dataclass(frozen=True, repr=False)
class Versions(Sequence[Version]):
    """A model's versions: iterate, slice, `len`; `[12]` by number, `["challenger"]` by alias, `["delay:12"]`."""

    _place: Place
    model: str

    @property
    def champion(self) -> Version:
        """Raises `UnknownVersion` where there is none."""
        return self[CHAMPION]

    @property
    def latest(self) -> Version:
        """The newest, whatever its gates said. Raises `UnknownVersion` where there is none."""
        views = self._view().versions
        return Version(self._place, views[0]) if views else self[1]

    @property
    def aliases(self) -> dict[str, int]:
        """Each alias, and the number of the version that it names now."""
        return dict(self._view().aliases)

    def table(self) -> pl.DataFrame:
        """A row a version: name, created, as_of, run, aliases, passed, rows, metrics."""
        from noria.client.tables import versions_table

        return versions_table(self._view().versions)

    def __len__(self) -> int:
        return len(self._view().versions)

    def __iter__(self) -> Iterator[Version]:
        return (Version(self._place, view) for view in self._view().versions)

    @overload
    def __getitem__(self, key: int | str) -> Version: ...
    @overload
    def __getitem__(self, key: slice) -> list[Version]: ...
    def __getitem__(self, key: int | str | slice) -> Version | list[Version]:
        """By number, alias or name. Raises `UnknownVersion`, `BadReference`."""
        if isinstance(key, slice):
            return [Version(self._place, view) for view in self._view().versions[key]]
        named = isinstance(key, str) and not key.isdecimal()
        whole = isinstance(key, str) and any(mark in key for mark in ":@")
        text = str(key) if whole else f"{self.model}{'@' if named else ':'}{key}"
        with self._place.look() as app:
            return Version(self._place, read_version(app, text).view)

    def __repr__(self) -> str:
        from noria.client.display import versions_text

        return versions_text(self._view())

    def _repr_html_(self) -> str:
        from noria.client.display import versions_html

        return versions_html(self._view())

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.aliases)

    def _view(self) -> ModelView:
        with self._place.look() as app:
            return list_models(app, self.model)[0]
