"""What a worker could not answer, of which the log of answers has nothing: counts of all, and units where versions are
compared."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from noria.ports.serving import OWN_WAYS, Failure, Unanswered
from noria.serving.log import Narrator

CLIENT = 400, 500  # from, up to: a request that is refused says nothing of the version
COMPARED = ("", "instead")
"""Ways of the champion on its own side of a comparison, whose failures count while somebody is beside it. A shadow's count always; a challenger's are seen
where the champion answers instead."""
COUNTED = OWN_WAYS
"""Ways of what is counted: the champion's own traffic. A copy's and a challenger's callers had an answer all the same, and who
names a version tries it out."""


class Notes(Protocol):
    def note(self, failure: Failure) -> None:
        """Raises OSError."""


class Counts(Protocol):
    def note(self, unanswered: Unanswered) -> None:
        """Raises OSError."""


class Failures:
    """Of one version. For the event loop's thread and the batcher's."""

    def __init__(
        self,
        notes: Notes,
        counts: Counts,
        version: int,
        compared: Callable[[], bool],
        narrate: Narrator,
        *,
        sample: float,
    ) -> None:
        """`compared`: whether other versions are beside this one. `sample`: the share of rows that the log keeps, so that
        as many failures are kept as answers."""
        self._notes, self._counts = notes, counts
        self._version = version
        self._compared = compared
        self._narrate = narrate
        self._sample = sample

        self._guard = threading.Lock()
        self._open: Counter[str] = Counter()
        self._since = 0
        self._told = ""

    def note(self, unit: str | None, at: int, way: str, status: int) -> None:
        """The unit of a request, where versions are compared. `at`: when it came, in microseconds since 1970; `status`: what
        it is refused with."""
        beside = way == "shadow" or (way in COMPARED and self._compared())
        if beside and self._counts_here(status):
            self._kept(lambda: self._notes.note(Failure(at=at, version=self._version, unit=unit, way=way)))

    def count(self, at: int, way: str, status: int, code: str) -> None:
        """A request whose caller gets an error; `code`: which."""
        if way in COUNTED and self._counts_here(status):
            with self._guard:
                self._since = self._since if self._open else at
                self._open[code] += 1

    def flush(self) -> None:
        """Write down what was counted since the last call."""
        with self._guard:
            if not self._open:
                return
            counted = Unanswered(at=self._since, version=self._version, codes=dict(self._open))
            self._open.clear()
        if not self._kept(lambda: self._counts.note(counted)):  # they wait for a disk with room
            with self._guard:
                self._open.update(counted.codes)
                self._since = counted.at

    def _counts_here(self, status: int) -> bool:
        return not CLIENT[0] <= status < CLIENT[1] and random.random() < self._sample

    def _kept(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as error:  # the caller has been told already
            if str(error) != self._told:
                self._narrate("failure.unnoted", why=str(error))
            self._told = str(error)
            return False
        self._told = ""
        return True
