"""Who answers a request, by the table that the keeper sent last: this worker, or one of another version.

The table is one pointer, so a request goes by one table from its beginning to its end. Without challengers and shadows there
is none, and a request pays for one look at it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from noria.errors import StepFailed
from noria.records.routing import Routing
from noria.serving import wire
from noria.serving.chores import Chores
from noria.serving.errors import TooLate
from noria.serving.log import Narrator, stack
from noria.serving.messages import Response
from noria.serving.metrics import VersionMetrics
from noria.serving.raw import Raw
from noria.serving.service_errors import Unreachable
from noria.serving.shadows import Shadow
from noria.serving.siblings import Siblings, Unanswered

Send = Callable[[bytes | Response], None]
COPIED = (200, StepFailed.status)
"""Statuses of what shadows get, too: answers, and what the version itself failed at, or nothing would tell who is the sick one.
What was refused, or came to a queue that was full, is no shadow's either."""


@dataclass(frozen=True)
class Paths:
    """A table, and how to come to those whom it names."""

    table: Routing
    siblings: Mapping[int, Siblings]
    shadows: Mapping[int, Shadow]
    aliases: Mapping[str, int]

    def copied(self, raw: Raw, send: Send) -> Send:
        """To send an answer, and the request to the shadows after it."""
        if not self.shadows:
            return send

        def sent(answer: bytes | Response) -> None:
            send(answer)
            self.copy(raw, 200 if isinstance(answer, bytes) else answer.status)

        return sent

    def copy(self, raw: Raw, status: int) -> None:
        """Send the shadows a request that was answered with this status."""
        if status in COPIED:
            for shadow in self.shadows.values():
                shadow.copy(raw)

    def challenger(self, unit: str | None) -> int | None:
        """The challenger that answers for a unit; None for the champion. A row of no unit is one by itself."""
        table = self.table
        if not table.challengers:
            return None
        version = table.assigned(unit if unit is not None else random.random().hex())
        return version if version in self.siblings else None


class Dispatch:
    """The paths of one worker. For its event loop."""

    def __init__(
        self,
        *,
        version: int,
        patience: float,
        deadline: float,
        metrics: VersionMetrics,
        narrate: Narrator,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.paths: Paths | None = None
        self._version = version
        self._deadline = deadline
        self._patience = patience
        self._metrics = metrics
        self._narrate = narrate
        self._loop = loop
        self._chores = Chores()

    def follow(self, message: wire.Route) -> None:
        """Go by another table from now on."""
        before = self.paths
        siblings = dict(before.siblings) if before else {}
        shadows = dict(before.shadows) if before else {}
        sockets = {int(version): paths for version, paths in message.sockets.items()}
        sockets.pop(self._version, None)  # a table from before this version was the champion
        for version in siblings.keys() - sockets.keys():
            siblings.pop(version).close()
        for version, paths in sockets.items():
            if version in siblings:
                siblings[version].move(paths)
            else:
                siblings[version] = Siblings(paths, self._loop)
        for version in shadows.keys() - (siblings.keys() & set(message.table.shadows)):
            shadows.pop(version).close()
        for version in siblings.keys() & set(message.table.shadows) - shadows.keys():
            shadows[version] = Shadow(
                version, siblings[version], metrics=self._metrics, loop=self._loop, seconds=self._deadline
            )
        self.paths = Paths(message.table, siblings, shadows, message.aliases) if siblings else None

    def is_hurried(self, raw: Raw) -> bool:
        """Whether its sender waits for less than a challenger may take and the champion after it: known before anybody has
        tried, so that no version is judged by whom it was asked for."""
        return raw.within < 2 * self._patience

    def _left(self, raw: Raw) -> float:
        """Seconds."""
        now = self._loop.time()
        return raw.until(now, self._deadline) - now

    def named(self, version: str) -> int | None:
        """The other version that a number or an alias names, where it is loaded."""
        paths = self.paths
        if paths is None:
            return None
        number = int(version) if version.isdecimal() else paths.aliases.get(version)
        return number if number in paths.siblings else None

    def first(
        self, version: int, raw: Raw, send: Callable[[Response], None], instead: Callable[[], None]
    ) -> None:
        """Let a challenger answer; where it does not, `instead` is called."""
        self._chores.begin(self._first(version, raw, send, instead))

    async def _first(
        self, version: int, raw: Raw, send: Callable[[Response], None], instead: Callable[[], None]
    ) -> None:
        response = await self.challenged(version, raw, seconds=self._left(raw))
        if response is None:
            instead()
        else:
            send(response)

    async def challenged(self, version: int, raw: Raw, *, seconds: float) -> Response | None:
        """A challenger's answer; None where it gave none, which is counted against it. `seconds`: what is left to wait, of
        which half is for whoever answers instead."""
        paths, patience = self.paths, min(self._patience, seconds / 2)
        self._metrics.passed_on(version, "canary")
        if raw.span is not None:
            raw.span.tell(passed_on=version)
        try:
            if paths is None or version not in paths.siblings:
                return None  # the table has changed since the request was assigned
            return await paths.siblings[version].ask(raw, way="canary", seconds=patience)
        except Unanswered as failure:
            self._metrics.unanswered(version, "canary", failure.kind)
        except Exception as error:  # a fault of ours in the way to a challenger must not reach a user
            self._metrics.unanswered(version, "canary", "gone")
            self._narrate("challenger.broke", version=version, stack=stack(error))
        return None

    async def asked(self, version: int, raw: Raw) -> Response:
        """The answer of another version that a caller asked for by name. Raises `TooLate`, `Unreachable`."""
        paths = self.paths
        if paths is None or version not in paths.siblings:
            raise Unreachable(problem=f"version {version} is not loaded any more")
        self._metrics.passed_on(version, "asked")
        if raw.span is not None:
            raw.span.tell(passed_on=version)
        try:
            return await paths.siblings[version].ask(raw, way="asked", seconds=self._left(raw))
        except Unanswered as failure:
            self._metrics.unanswered(version, "asked", failure.kind)
            if failure.response is not None:
                return failure.response
            if failure.kind == "late":
                raise TooLate from failure
            raise Unreachable(problem=f"no worker of version {version} answers") from failure
