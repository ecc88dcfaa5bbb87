"""Answers that wait until their rows are in the log: those of one turn of the event loop go to the kernel together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from noria.errors import NoriaError
from noria.ports.serving import Layout, PredictionLog
from noria.records.policy import Durability
from noria.serving.each import each_of
from noria.serving.errors import Broken
from noria.serving.messages import Response

Send = Callable[[bytes | Response], None]
Refuse = Callable[[NoriaError, Send], None]
"""Told why, and who waits for the answer."""


_Waiting = tuple[Send, bytes | Response, Refuse]


class Outbox:
    """Gives rows to the log, and their answers to whoever asked, in this order. For the event loop's thread."""

    def __init__(
        self,
        log: PredictionLog,
        durability: Durability,
        loop: asyncio.AbstractEventLoop,
        sent: Callable[[int], None],
    ) -> None:
        """`sent`: told how many of the answers that count have left."""
        self.take = log.take
        """The place of a request's rows in the log; its answer has to be `put` in the same turn of the loop."""
        self._log = log
        self._durability = durability
        self._loop = loop
        self._sent = sent
        self._waiting: list[_Waiting] = []
        self._counted = 0
        self._called = False
        self._syncing = False

    def place(self, layout: Layout, rows: int) -> tuple[str, int]:
        """What the next `take` of such rows gives, in the same turn of the loop."""
        return self._log.place(layout, rows)

    def begin_anew(self, layout: Layout) -> None:
        """Let the next rows go to a segment that is begun now. Raises `Unavailable` where none can be."""
        self._log.close()
        self._log.place(layout, 0)

    def put(self, send: Send, answer: bytes | Response, refuse: Refuse, *, counts: bool = False) -> None:
        """Send an answer once the rows taken so far are in the log; `refuse` is told instead when they cannot be."""
        self._waiting.append((send, answer, refuse))
        if counts:
            self._counted += 1
        if not self._called and not self._syncing:
            self._called = True
            self._loop.call_soon(self._empty)

    def send_after(self, puts: Callable[[], None]) -> None:
        """Send what `puts` puts at its end, and not in the next turn of the loop."""
        ours = not self._called and not self._syncing
        self._called = self._called or ours
        try:
            puts()
        finally:
            if ours:
                self._empty()

    def _empty(self) -> None:
        self._called = False
        waiting, self._waiting = self._waiting, []
        counted, self._counted = self._counted, 0
        try:
            self._log.hand_over()
        except Exception as error:
            _refuse(waiting, error)
            return
        if self._durability == "sync":
            self._syncing = True
            self._loop.run_in_executor(None, self._log.sync).add_done_callback(
                lambda done: self._synced(waiting, counted, done)
            )
            return
        self._send(waiting, counted)

    def _synced(self, waiting: list[_Waiting], counted: int, done: asyncio.Future[None]) -> None:
        """The next group goes out as soon as this one is on the disk: one that grows meanwhile costs one flush."""
        self._syncing = False
        error = done.exception()
        try:
            if error is None:
                self._send(waiting, counted)
            else:
                _refuse(waiting, error)
        finally:
            if self._waiting:
                self._empty()

    def _send(self, waiting: list[_Waiting], counted: int) -> None:
        try:
            each_of(waiting, _answer)
        finally:
            self._sent(counted)


def _answer(waiting: _Waiting) -> None:
    send, answer, _ = waiting
    send(answer)


def _refuse(waiting: list[_Waiting], error: BaseException) -> None:
    """Raises what is no fault of the log's place, but of ours, once all have been told."""
    known = error if isinstance(error, NoriaError) else Broken(incident="")
    each_of(waiting, lambda one: one[2](known, one[0]))
    if known is not error:
        raise error
