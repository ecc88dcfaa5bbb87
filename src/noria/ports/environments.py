"""Where built environments lie, for all runs and all projects of a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from noria.records.environments import Built, Difference, Recipe
from noria.records.sources import Environment


@dataclass(frozen=True)
class Shelved:
    """An environment that is there, whole."""

    folder: Path
    python: Path
    built: Built
    used: datetime
    """When a process last began to run in it."""


class Shelf(Protocol):
    """Builds environments by their recipes and keeps them. A kill at any moment leaves nothing that looks complete; of
    two who build one at once, the second gets what the first has made."""

    @property
    def folder(self) -> Path: ...

    def find(self, recipe: Recipe) -> Shelved | None:
        """None: it is not built yet."""
        ...

    def here(self) -> Built | None:
        """The environment that this interpreter belongs to, where it is a built one."""
        ...

    def all(self) -> Sequence[Shelved]:
        """Those that are whole, the last used first."""
        ...

    def build(self, recipe: Recipe, place: Environment, project: Path, group: str | None) -> Shelved:
        """The environment of a recipe, built from the lock in `project` unless it is there. Raises what the tool that
        builds finds: `ConfigError`, `NotFound`, `Unavailable`, `Corrupt`, `BackendError`."""
        ...

    def handed_on(self) -> Mapping[str, str]:
        """Variables by which a command that goes on in a built environment builds others: the tool is not in there."""
        ...

    def use(self, shelved: Shelved) -> int:
        """Say that it is used, until the descriptor that is returned is closed: with this process, or with what it
        becomes by `exec`."""
        ...

    def using(self, shelved: Shelved) -> AbstractContextManager[None]:
        """As `use`, until the block ends."""
        ...

    def remove(self, shelved: Shelved) -> bool:
        """Remove it; False when it is in use."""
        ...

    def sweep(self) -> None:
        """Remove what killed builders have left."""
        ...

    def size(self, shelved: Shelved) -> int:
        """Bytes of its files; what is linked from a cache lies on the disk once."""
        ...

    def inspected(self, shelved: Shelved | None) -> tuple[int, Sequence[Difference]]:
        """How many packages it has (None: this interpreter), and which are not what was installed: by name, version, and
        every file."""
        ...
