"""Answers that wait until their rows are in the log: those of one turn of the event loop go to the kernel together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from noria.errors import NoriaError
from noria.ports.serving import Layout, PredictionLog
from noria.records.policy import Durability
from noria.serving.messages import Response

Send = Callable[[bytes | Response], None]
Refuse = Callable[[NoriaError], None]


class Outbox:
    """Gives rows to the log, and their answers to whoever asked, in this order. For the event loop's thread."""

    def __init__(self, log: PredictionLog, durability: Durability, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._durability = durability
        self._loop = loop
        self._waiting: list[tuple[Send, bytes | Response, Refuse]] = []
        self._called = False
        self._syncing = False

    def place(self, layout: Layout, rows: int) -> tuple[str, int]:
        """What the next `take` of such rows gives, in the same turn of the loop."""
        return self._log.place(layout, rows)

    def take(self, layout: Layout, kind: int, rows: int, payload: bytes) -> tuple[str, int]:
        """The place of a request's rows in the log; its answer has to be `put` in the same turn of the loop."""
        return self._log.take(layout, kind, rows, payload)

    def put(self, send: Send, answer: bytes | Response, refuse: Refuse) -> None:
        """Send an answer once the rows taken so far are in the log; `refuse` is told instead when they cannot be."""
        self._waiting.append((send, answer, refuse))
        if not self._called and not self._syncing:
            self._called = True
            self._loop.call_soon(self._empty)

    def _empty(self) -> None:
        self._called = False
        waiting, self._waiting = self._waiting, []
        try:
            self._log.hand_over()
        except NoriaError as error:
            for _, _, refuse in waiting:
                refuse(error)
            return
        if self._durability == "sync":
            self._syncing = True
            self._loop.run_in_executor(None, self._log.sync).add_done_callback(
                lambda done: self._synced(waiting, done)
            )
            return
        for send, answer, _ in waiting:
            send(answer)

    def _synced(
        self, waiting: list[tuple[Send, bytes | Response, Refuse]], done: asyncio.Future[None]
    ) -> None:
        """The next group goes out as soon as this one is on the disk: one that grows meanwhile costs one flush."""
        self._syncing = False
        error = done.exception()
        for send, answer, refuse in waiting:
            if isinstance(error, NoriaError):
                refuse(error)
            else:
                send(answer)
        if self._waiting:
            self._empty()
        if error is not None and not isinstance(error, NoriaError):
            raise error
