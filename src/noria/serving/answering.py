"""What a worker answers with its version, and what it lets another version's workers answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from noria.errors import NoriaError
from noria.ports.clock import Clock
from noria.serving.batching import Batcher
from noria.serving.careful_way import CarefulWay
from noria.serving.cause import ASKED, OWN, Cause, Reference
from noria.serving.dispatch import Dispatch
from noria.serving.errors import Broken, NotServed
from noria.serving.forms import Form
from noria.serving.journal import Journal
from noria.serving.outbox import Send
from noria.serving.quick_way import QuickWay
from noria.serving.raw import Raw
from noria.serving.served import Served

Quick = Callable[[Raw, Send, Cause], bool]
"""Takes a request; False where only the careful way can tell what is wrong with it."""


class Answering:
    """Answers requests with one version. For the event loop's thread."""

    def __init__(
        self,
        served: Served,
        journal: Journal,
        batcher: Batcher,
        dispatch: Dispatch,
        *,
        follows: str,
        clock: Clock,
        deadline: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.served = served
        self.follows = follows
        self.dispatch = dispatch
        self.deadline = deadline
        """Seconds that a request may wait that says nothing of it."""
        self._loop = loop
        self._outage = journal.outage
        quick = served.quick and QuickWay(
            served, served.quick, journal, batcher, dispatch, deadline=deadline, loop=loop
        )
        self.rows: Quick = quick.rows if quick else _nothing
        self.tensors: Quick = quick.tensors if quick else _nothing
        self.careful = CarefulWay(
            served, journal, batcher, dispatch, clock=clock, deadline=deadline, loop=loop
        ).answer

    @property
    def ready(self) -> bool:
        """Whether an answer could be given: a worker takes no calls before it has answered rows of its own, but what cannot
        be logged is not given."""
        return self._outage.writable

    def named(self, asked: Reference) -> Served:
        """The version that serves, if it is what was asked for. Raises `NotServed`."""
        served = self.served
        version = served.version
        if asked.model == version.model and asked.version in (None, str(version.number), self.follows):
            return served
        raise NotServed(asked=str(asked), serving=version.name, follows=self.follows, model=version.model)

    def other(self, asked: Reference) -> int | None:
        """The version that was asked for, where it is another one whose workers this one can ask."""
        if asked.version is None or asked.model != self.served.version.model:
            return None
        return self.dispatch.named(asked.version)

    def now(self) -> float:
        """By the loop's clock."""
        return self._loop.time()

    async def routed(self, asked: Reference, form: Callable[[], Form], raw: Raw) -> Any:
        """Answer a request of any form by whoever it asks for or is assigned to: the form's response, or another version's
        `Response`. Raises what is wrong with it."""
        other, dispatch = self.other(asked), self.dispatch
        if other is not None:
            return await dispatch.asked(other, raw)
        self.named(asked)
        if asked.version is not None:
            return await self.careful(form(), raw, ASKED)
        try:
            response = await self.careful(form(), raw, OWN)
        except Exception as error:  # what is no NoriaError is told as `Broken` by the outermost loop
            self._copy(raw, error.status if isinstance(error, NoriaError) else Broken.status)
            raise
        self._copy(raw, 200)
        return response

    def _copy(self, raw: Raw, status: int) -> None:
        if self.dispatch.paths is not None:
            self.dispatch.paths.copy(raw, status)


def _nothing(raw: Raw, send: Send, cause: Cause) -> bool:
    return False
