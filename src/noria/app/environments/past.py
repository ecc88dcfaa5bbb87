"""The environment of a past run, from its record alone: its lock lies in the recorded source tree."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.environments.wanted import Wanted, drives_of
from noria.app.promote import find_version
from noria.app.proof.rebuild import files_of
from noria.app.read import find_run
from noria.records.runs import Run
from noria.records.sources import Environment
from noria.source.environment import lock_of, look
from noria.source.recipe import NoLock, recipe

if TYPE_CHECKING:
    from noria.app.wiring import App


@dataclass(frozen=True)
class Recorded:
    """A run's environment, its files laid out in `root` while the block lasts."""

    run: Run
    root: Path
    here: bool
    """Whether this interpreter is it, or was built to be it."""
    wanted: Wanted | None
    """How to build it, unless it is here; None when it cannot be built, too."""
    why_not: str = ""

    @property
    def place(self) -> Environment:
        return self.run.asked.provenance.environment

    def build(self) -> Wanted:
        """Raises `NoLock`."""
        if self.wanted is None:
            raise NoLock(where=f"the record of {self.run.name}", wish=f"rebuilt: {self.why_not}")
        return self.wanted


def run_of(app: App, text: str) -> Run:
    """The run that a run's or a version's name means. Raises what `find_run` and `find_version` do."""
    if "/" in text:
        return find_run(app, text).run
    version = find_version(app, text)
    return find_run(app, f"{version.model}/{version.run}").run


@contextmanager
def recorded(app: App, run: Run) -> Iterator[Recorded]:
    """Hold this interpreter against what a run's record says. Raises `CodeGone`, and what `recipe` raises."""
    with tempfile.TemporaryDirectory(prefix="noria-environment-") as folder:
        root = files_of(app, run, Path(folder))
        place = run.asked.provenance.environment
        if look(root).environment == place:
            yield Recorded(run, root, True, None)
        elif why_not := _why_not(place, root):
            yield Recorded(run, root, False, None, why_not)
        else:
            made, known = recipe(root, drives=drives_of(app.policy), recorded=place)
            inside = app.shelf.here()
            here = inside is not None and inside.recipe == made
            yield Recorded(run, root, here, None if here else Wanted(root, made, known))


def _why_not(place: Environment, root: Path) -> str:
    """What keeps an environment from being rebuilt; empty when nothing does."""
    if place.lock is None:
        return "it ran in what was installed, and not in what a lock says"
    if lock_of(root) != place.lock:
        return f"{place.lock} is not among its recorded files (git ignores it?)"
    return ""
