"""Waiting for a server that does not answer: asked again after growing pauses, said aloud, and not for ever."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from noria.errors import NoriaError, Unavailable

R = TypeVar("R")
Tell = Callable[[str], None]
"""Takes a line for whoever waits with us."""

TOLD = 3.0  # s of silence after which it is said what is waited for: by then a person begins to wonder


def silent(line: str) -> None:
    """For who has nobody to tell."""


class Patience:
    """One server's: asks again what failed as `kind`, and only that. Who has waited in vain asks once a call from then
    on, until there is an answer: the command that gives up is not held up at each thing that it still puts in order.
    Safe for many threads, which all give up together, and of which one speaks."""

    def __init__(
        self,
        name: str,
        kind: type[Unavailable],
        *,
        pauses: tuple[float, float],
        tell: Tell = silent,
    ) -> None:
        """`name` is the server's, for who is told; `pauses`: seconds of the first, which is doubled, and of the last."""
        self._name = name
        self._kind = kind
        self._first, self._longest = pauses
        self.tell = tell
        self._in_vain = False
        self._told = False

    def persist(self, act: Callable[[], R], most: float) -> R:
        """Do it, and do it again for `most` seconds: only for what is harmless twice, or was not done at all."""
        began, pause = time.monotonic(), self._first
        while True:
            try:
                result = act()
            except self._kind as error:
                waited = time.monotonic() - began
                if self._in_vain or waited + pause > most:
                    self._in_vain = True
                    raise
                if not self._told and waited + pause >= TOLD:
                    self._told = True
                    self.tell(f"waiting, for {most - waited:.0f} s more at most (Ctrl-C ends it): {error}")
            except NoriaError:  # an answer, too, if not the one that was hoped for
                self._answered()
                raise
            else:
                self._answered()
                return result
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, self._longest)

    def _answered(self) -> None:
        self._in_vain = False
        if self._told:
            self._told = False
            self.tell(f"{self._name} answers again")
