"""Where to look: a project, opened anew at each look and closed after it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.config import find_project
from noria.errors import NoriaError

if TYPE_CHECKING:
    from noria.app.wiring import App

PROJECT = "NORIA_PROJECT"  # a folder in the environment, for notebooks that live elsewhere


@dataclass(frozen=True)
class Place:
    """A project's folder. No connection outlives a look: so a notebook sees what is there now, holds nobody up, and
    may fork."""

    project: Path

    @contextmanager
    def look(self) -> Iterator[App]:
        """The project's app, to read with."""
        from noria.app.wiring import open_reading

        with explained(), open_reading(self.project) as app:
            yield app


def place_of(project: str | Path | None) -> Place:
    """The project that a folder lies in: the one given, else that of NORIA_PROJECT, else the working folder's. Raises
    `NoProject`."""
    with explained():
        start = project or os.environ.get(PROJECT) or Path.cwd()
        return Place(find_project(Path(start).expanduser()))


@contextmanager
def explained() -> Iterator[None]:
    """An error with its next step beneath it, as Python itself shows it."""
    try:
        yield
    except NoriaError as error:
        note = f"next: {error.advice()}"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        raise
