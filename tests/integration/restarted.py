"""Callers who connect again when a server is gone, for as long as it takes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from integration.routing_world import Callers, asked
from integration.serving_world import row

AGAIN = 0.05  # s before a caller connects again


class Returning(Callers):
    """Each connection that is lost is opened again; what came whole counts, and must be an answer."""

    def __init__(self, port: int, connections: int) -> None:
        super().__init__(f"http://127.0.0.1:{port}", connections)
        self.strange: list[str] = []
        """Answers that were no 200."""

    def __enter__(self) -> Returning:
        self._thread.start()  # the server need not be there yet
        return self

    async def _call(self, number: int) -> None:
        turn = 0
        while not self._over.is_set():
            try:
                turn = await self._until_lost(number, turn)
            except (OSError, EOFError):
                await asyncio.sleep(AGAIN)

    async def _until_lost(self, number: int, turn: int) -> int:
        """Ask on one connection until it is lost. Raises OSError, EOFError."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            while not self._over.is_set():
                turn += 1
                body = json.dumps(row(ride=f"{number}-{turn}", driver=f"u{number}")).encode()
                status, answer = await asyncio.wait_for(asked(reader, writer, body, "rides"), 30)
                self._took(number, status, json.loads(answer))
        finally:
            writer.close()
        return turn

    def _took(self, number: int, status: int, answer: dict[str, Any]) -> None:
        if status == 200:
            self._noted(f"u{number}", answer)
        else:
            self.strange.append(f"{status} {answer}")
