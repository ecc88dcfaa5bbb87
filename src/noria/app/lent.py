"""Engines that the trials of a search hand on to one another, and look at what runs on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from noria.ports.engine import Engine, Happening, Relay
from noria.records.base import Digest

if TYPE_CHECKING:
    from noria.app.wiring import App

LOOK = 0.5  # s between two looks at what a trial has logged: a pruned one wastes no more than that


class Engines:
    """Engines that trials hand on to one another: a worker that has imported its libraries serves the next trial, too,
    as long as the code is the same and the one before came to its end."""

    def __init__(self, app: App, share: int) -> None:
        self._app = app
        self._share = share
        self._free: list[tuple[Digest, Engine]] = []

    @contextmanager
    def lent(self, tree: Digest) -> Iterator[Engine]:
        engine = self._taken(tree)
        try:
            yield engine
        except BaseException:
            engine.close()  # with what it still runs
            raise
        self._free.append((tree, engine))

    def close(self) -> None:
        while self._free:
            self._free.pop()[1].close()

    def _taken(self, tree: Digest) -> Engine:
        """One that nobody else has: each of these operations on a list is atomic."""
        while self._free:
            try:
                known, engine = self._free.pop()
            except IndexError:  # somebody else was faster
                break
            if known == tree:
                return engine
            engine.close()
        return self._app.engine(share=self._share)


class Watched(Relay):
    """An engine that lets somebody look in between; what the look raises ends the run."""

    def __init__(self, engine: Engine, look: Callable[[], None]) -> None:
        super().__init__(engine)
        self._look = look

    def wait(self, seconds: float | None = None) -> list[Happening]:
        happened = self._engine.wait(LOOK if seconds is None else min(seconds, LOOK))
        self._look()
        return happened
