"""Which requests shadows get a copy of."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from noria.errors import NoriaError
from noria.ports.clock import RealClock
from noria.records.routing import Routing
from noria.serving.answering import Answering
from noria.serving.cause import Reference
from noria.serving.dispatch import Paths
from noria.serving.errors import BadShape, Broken, GraphFailed, Overloaded, TooLate
from noria.serving.messages import Response, refusal


class Kept:
    def __init__(self) -> None:
        self.raws: list[Any] = []

    def copy(self, raw: Any) -> None:
        self.raws.append(raw)


@pytest.mark.parametrize(
    ("answer", "copied"),
    [
        (b"an answer", True),
        (Response(200, b""), True),
        (Response(500, b""), True),
        (Response(422, b""), False),
        (Response(503, b""), False),
        (Response(504, b""), False),
    ],
    ids=["bytes", "answered", "the version failed", "refused", "a full queue", "too late"],
)
def test_a_shadow_gets_what_was_answered_and_what_the_version_failed_at(
    answer: bytes | Response, copied: bool
) -> None:
    shadow, sent, raw = Kept(), [], object()
    paths = Paths(Routing(model="m", champion=1), {}, {2: shadow}, {})  # type: ignore[dict-item]
    paths.copied(raw, sent.append)(answer)  # type: ignore[arg-type]
    assert sent == [answer], "the caller first"
    assert shadow.raws == [raw] * copied


@pytest.mark.parametrize(
    ("error", "copied"),
    [
        (None, True),
        (GraphFailed("m:1", "ZeroDivisionError", ""), True),
        (Broken(incident=""), True),
        (ZeroDivisionError(), True),
        (BadShape(problem="", fix=""), False),
        (Overloaded(waiting=1), False),
        (TooLate(), False),
    ],
    ids=lambda given: type(given).__name__,
)
def test_a_shadow_gets_the_same_requests_whichever_way_they_go(error: Exception | None, copied: bool) -> None:
    shadow, raw = Kept(), cast("Any", object())
    paths = Paths(Routing(model="m", champion=1), {}, {2: cast("Any", shadow)}, {})
    known = error if error is None or isinstance(error, NoriaError) else Broken(incident="")
    paths.copied(raw, lambda answer: None)(b"{}" if known is None else refusal(known))
    assert shadow.raws == [raw] * copied

    async def careful(form: Any, raw: Any, cause: Any) -> Response:
        if error is not None:
            raise error
        return Response(200, b"{}")

    async def routed() -> None:
        answering = Answering(
            cast(
                "Any", SimpleNamespace(quick=None, version=SimpleNamespace(model="m", number=1, name="m:1"))
            ),
            *cast("Any", (SimpleNamespace(outage=None), None, SimpleNamespace(paths=paths))),
            follows="champion",
            clock=RealClock(),
            deadline=1.0,
            loop=asyncio.get_running_loop(),
        )
        answering.careful = cast("Any", careful)
        with suppress(Exception):
            await answering.routed(Reference("m"), cast("Any", object), raw)

    shadow.raws.clear()
    asyncio.run(routed())
    assert shadow.raws == [raw] * copied
