"""The tokens of a project as a keeper knows them: read from the records, written down for its workers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from noria.ports.clock import Clock
from noria.ports.records import Ledger
from noria.records.base import canonical
from noria.records.tokens import CHAIN, Tokens
from noria.serving import wire
from noria.serving.gate import Admitted
from noria.serving.log import Narrator, ToldOnce

POLL = 0.25  # s; one small read, and a revoked token is refused well within a second


class Access:
    """Follows the tokens for one service. While the records are away, those that were read last hold."""

    def __init__(
        self,
        ledger: Ledger,
        path: Path,
        tell: Callable[[wire.AnyMessage], None],
        guard: Callable[[], None],
        clock: Clock,
        narrate: Narrator,
        *,
        required: bool,
    ) -> None:
        """`path`: what is written for workers; `required`: from everybody, even where there was never a token; `guard` is
        called when it comes to that."""
        self.tokens = Tokens()
        self.path = path
        self._ledger = ledger
        self._tell = tell
        self._guard = guard
        self._clock = clock
        self._narrate = narrate
        self._required = required
        self._seen = 0
        self._serial = 0

    @property
    def required(self) -> bool:
        return self._required or self.tokens.any

    def load(self) -> None:
        """Read and write for the first time, before there is any worker. Raises what the records raise."""
        self._read()
        self._write()

    async def run(self) -> None:
        """Until cancelled."""
        told = ToldOnce(self._narrate, step="tokens")
        while True:
            await asyncio.sleep(POLL)
            try:
                if await asyncio.to_thread(self._read):
                    self._write()
                    self._serial += 1
                    self._tell(wire.Tokens(serial=self._serial))
                    self._narrate("tokens.changed", hold=len(self.tokens.usable(self._clock.now())))
                told.worked()
            except Exception as error:  # the loop must outlive a busy store and a bug; both are told
                told.failed(error)

    def _read(self) -> bool:
        """Whether anything was new."""
        before = self._seen
        for event, change in self._ledger.events(CHAIN, after=before):
            self.tokens.follow(change)
            self._seen = event.seq
        return self._seen != before

    def _write(self) -> None:
        """Whole or not at all, for its owner alone: it holds no secret, but it says who there is."""
        admitted = Admitted(required=self.required, tokens=tuple(self.tokens.held.values()))
        if self.required:
            self._guard()
        partial = self.path.with_suffix(".new")
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(canonical(admitted))
        partial.replace(self.path)
