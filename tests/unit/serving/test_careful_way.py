"""What goes wrong on the careful way is counted as a request without an answer, whoever's fault it was."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noria.errors import NoriaError
from noria.ports.clock import RealClock
from noria.serving.batching import Job
from noria.serving.careful_way import CarefulWay
from noria.serving.cause import OWN, Assigned
from noria.serving.errors import Broken, Overloaded
from noria.serving.raw import Raw


def asked(came: float) -> Raw:
    made = Raw(b"POST", b"/", [], b"", keep=True)
    made.came = came
    return made


class Dispatch:
    """One that knows the challenger and stumbles over it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def is_hurried(self, raw: Any) -> bool:
        return False

    async def challenged(self, version: int, raw: Any, *, seconds: float) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "counted"), [(Overloaded(waiting=9), Overloaded.code), (ZeroDivisionError(), Broken.code)]
)
def test_a_request_without_an_answer_is_counted(error: Exception, counted: str) -> None:
    told: list[tuple[str, int, str]] = []

    def refusing(at: int, way: str, known: NoriaError) -> None:
        told.append((way, known.status, known.code))

    async def main() -> None:
        way = CarefulWay(
            cast("Any", None),
            cast("Any", SimpleNamespace(refusing=refusing)),
            cast("Any", SimpleNamespace(submit=lambda job: job.done(Assigned(2), None))),
            cast("Any", Dispatch(error)),
            clock=RealClock(),
            deadline=1.0,
            loop=asyncio.get_running_loop(),
        )
        await way.answer(cast("Any", SimpleNamespace(size=1)), asked(math.inf), OWN)

    with pytest.raises(type(error)):
        asyncio.run(main())
    assert told == [("", 503 if isinstance(error, Overloaded) else 500, counted)]


@pytest.mark.parametrize(("waited", "left"), [(0.0, 1.0), (0.75, 0.25), (-math.inf, 1.0)])
def test_a_deadline_counts_from_when_the_request_was_there_to_be_read(waited: float, left: float) -> None:
    expires: list[float] = []

    def submit(job: Job) -> None:
        expires.append(job.expires)
        raise Overloaded(waiting=1)

    async def main() -> None:
        loop = cast("Any", SimpleNamespace(time=lambda: 100.0, create_future=asyncio.Future))
        way = CarefulWay(
            cast("Any", None),
            cast("Any", SimpleNamespace(refusing=lambda at, way, known: None)),
            cast("Any", SimpleNamespace(submit=submit)),
            cast("Any", None),
            clock=RealClock(),
            deadline=1.0,
            loop=loop,
        )
        with pytest.raises(Overloaded):
            await way.answer(cast("Any", SimpleNamespace(size=1)), asked(100.0 - waited), OWN)

    asyncio.run(main())
    assert expires == [100.0 + left]
