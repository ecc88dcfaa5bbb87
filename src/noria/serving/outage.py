"""Whether the prediction log takes answers. While it does not, none is given: the worker is not ready.

Nobody asks a service that is not ready, so it finds out by itself that the log can be written again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from noria.errors import NoriaError
from noria.ports.serving import Layout
from noria.serving.log import Narrator
from noria.serving.outbox import Outbox

AGAIN = 1.0  # s between two tries: each writes the head of a segment, some hundred bytes


class Outage:
    """Of one worker's log. For the event loop's thread."""

    def __init__(
        self,
        outbox: Outbox,
        layout: Layout,
        narrate: Narrator,
        *,
        version: str,
        works: Callable[[bool], None] = lambda works: None,
    ) -> None:
        """`works`: told as the log begins to refuse, and as it takes answers again."""
        self._outbox = outbox
        self._layout = layout
        self._narrate = narrate
        self._version = version
        self._works = works
        self._refused = 0

    @property
    def writable(self) -> bool:
        return not self._refused

    def refused(self, error: NoriaError) -> None:
        """The log could not take an answer; told for the first alone, for there may be thousands."""
        self._refused += 1
        if self._refused == 1:
            self._narrate("log.refused", version=self._version, why=str(error))
            self._works(False)
            self._wait()

    def _wait(self) -> None:
        asyncio.get_running_loop().call_later(AGAIN, self._try)

    def _try(self) -> None:
        try:
            self._outbox.begin_anew(self._layout)
        except NoriaError:  # told already
            self._wait()
        else:
            self._outbox.put(lambda _: self._over(), b"", lambda *_: self._wait())

    def _over(self) -> None:
        refused, self._refused = self._refused, 0
        self._narrate("log.restored", version=self._version, refused=refused)
        self._works(True)
