"""Units that a worker could not answer, noted where versions are compared: the log of answers has nothing of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol

from noria.ports.serving import Failure
from noria.serving.log import Narrator

CLIENT = 400, 500  # from, up to: a request that is refused says nothing of the version
COMPARED = ("", "instead")
"""Ways of the champion, whose failures count while somebody is beside it. A shadow's count always; a challenger's are seen
where the champion answers instead."""


class Notes(Protocol):
    def note(self, failure: Failure) -> None:
        """Raises OSError."""


class Failures:
    """Of one version. For the event loop's thread and the batcher's."""

    def __init__(
        self, notes: Notes, version: int, compared: Callable[[], bool], narrate: Narrator, *, sample: float
    ) -> None:
        """`compared`: whether other versions are beside this one. `sample`: the share of rows that the log keeps, so that
        as many failures are kept as answers."""
        self._notes = notes
        self._version = version
        self._compared = compared
        self._narrate = narrate
        self._sample = sample

    def note(self, unit: str | None, at: int, way: str, status: int) -> None:
        """`at`: when the request came, in microseconds since 1970; `status`: what it is refused with."""
        if CLIENT[0] <= status < CLIENT[1] or not self._counts(way) or random.random() >= self._sample:
            return
        try:
            self._notes.note(Failure(at=at, version=self._version, unit=unit, way=way))
        except OSError as error:  # the caller has been told already, and what is counted here is one fewer
            self._narrate("failure.unnoted", why=str(error))

    def _counts(self, way: str) -> bool:
        return way == "shadow" or (way in COMPARED and self._compared())
