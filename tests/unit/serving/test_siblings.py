"""Asking a sibling over its socket, and copying for a shadow that is behind: real sockets, workers that misbehave."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noria.serving.metrics import VersionMetrics
from noria.serving.raw import Raw
from noria.serving.shadows import UNDER_WAY, WAITING, Shadow
from noria.serving.siblings import Siblings, Unanswered
from noria.serving.tally import Tally

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
RAW = Raw(
    b"POST",
    b"/v1/models/m/predict",
    [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", b"7"),
        (b"Connection", b"close"),
        (b"X-Noria-Way", b"forged"),
    ],
    b'{"a":1}',
    True,
)

Scene = Callable[[Siblings, "Peer"], Awaitable[None]]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:  # short: a socket's path has 107 bytes at most
        yield Path(made)


class Peer:
    """A worker whose answers the test writes. Each request gets the next one; None closes the connection."""

    def __init__(self, answers: list[bytes | None]) -> None:
        self.answers = answers
        self.heard: list[bytes] = []
        self.connections = 0

    async def met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heard.append(head + await reader.readexactly(len(RAW.body)))
                answer = self.answers.pop(0) if self.answers else b""
                if answer is None:
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass  # whoever asked has hung up
        finally:
            writer.close()


def play(folder: Path, answers: list[bytes | None], scene: Scene, *more: str) -> Peer:
    peer = Peer(answers)

    async def run() -> None:
        server = await asyncio.start_unix_server(peer.met, str(folder / "peer"))
        siblings = Siblings((str(folder / "peer"), *more), asyncio.get_running_loop())
        try:
            await scene(siblings, peer)
        finally:
            siblings.close()
            server.close()

    asyncio.run(run())
    return peer


async def ask(siblings: Siblings, seconds: float = 20.0) -> Any:
    return await siblings.ask(RAW, way="canary", seconds=seconds)


def test_the_request_goes_on_as_it_came_over_a_connection_that_is_kept(folder: Path) -> None:
    async def scene(siblings: Siblings, peer: Peer) -> None:
        for _ in range(3):
            assert (await ask(siblings)).body == b"{}"

    peer = play(folder, [OK] * 3, scene)
    assert peer.connections == 1
    head, _, body = peer.heard[0].partition(b"\r\n\r\n")
    assert body == RAW.body
    first, *headers = head.split(b"\r\n")
    assert first == b"POST /v1/models/m/predict HTTP/1.1"
    named = dict(header.split(b": ") for header in headers)
    assert named.keys() == {
        b"Content-Type", b"content-length", b"x-noria-inside", b"x-noria-way", b"x-noria-within"
    }  # fmt: skip
    assert named[b"x-noria-way"] == b"canary"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", "error"),
        (b"HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n", "refused"),
        (OK[:-1], "late"),
        (b"", "late"),
        (None, "gone"),
        (b"this is no HTTP\r\n\r\n", "gone"),
    ],
)
def test_what_is_no_answer_is_told_apart_and_not_asked_for_again(
    folder: Path, answer: bytes | None, kind: str
) -> None:
    async def scene(siblings: Siblings, peer: Peer) -> None:
        with pytest.raises(Unanswered) as told:
            await ask(siblings, 0.3 if kind == "late" else 20.0)
        assert told.value.kind == kind
        assert len(peer.heard) == 1
        peer.answers[:] = [OK]
        assert (await ask(siblings)).status == 200  # and what came late is not taken for the next answer

    play(folder, [answer], scene)


def test_a_worker_that_is_not_there_is_passed_over(folder: Path) -> None:
    async def scene(siblings: Siblings, peer: Peer) -> None:
        for _ in range(4):
            assert (await ask(siblings)).status == 200
        siblings.move((str(folder / "nobody"),))
        with pytest.raises(Unanswered) as told:
            await ask(siblings)
        assert told.value.kind == "gone"

    play(folder, [OK] * 4, scene, str(folder / "nobody"))


def test_a_connection_that_was_closed_meanwhile_is_not_used(folder: Path) -> None:
    async def scene(siblings: Siblings, peer: Peer) -> None:
        closing = OK.replace(b"content-length", b"connection: close\r\ncontent-length")
        peer.answers[:] = [closing, OK]
        assert (await ask(siblings)).status == 200
        assert (await ask(siblings)).status == 200

    assert play(folder, [], scene).connections == 2


@pytest.mark.parametrize("there", [True, False])
def test_who_leaves_while_a_connection_is_opened_is_not_asked(folder: Path, there: bool) -> None:
    """It was told that nobody asks it any more, and closes what is silent."""

    async def scene(siblings: Siblings, peer: Peer) -> None:
        leaving = Peer([])
        server = await asyncio.start_unix_server(leaving.met, str(folder / "leaving"))
        siblings.move((str(folder / "leaving"),))
        asking = asyncio.create_task(ask(siblings))
        await asyncio.sleep(0)  # it has begun to connect
        siblings.move((str(folder / "peer"),) if there else ())
        if there:
            assert (await asking).status == 200
        else:
            with pytest.raises(Unanswered) as told:
                await asking
            assert not told.value.sent
        assert leaving.heard == []
        server.close()

    play(folder, [OK], scene)


def test_a_shadow_that_is_behind_is_spared(folder: Path) -> None:
    metrics = VersionMetrics(Tally(), model="m", version=1)
    beyond = 5

    async def scene(siblings: Siblings, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        shadow = Shadow(2, siblings, metrics=metrics, loop=loop, seconds=20.0)
        for _ in range(WAITING + beyond):
            shadow.copy(RAW)
        while len(peer.heard) < WAITING:
            await asyncio.sleep(0)

    peer = play(folder, [OK] * WAITING, scene)
    counts = {place.name: value for place, value in metrics.tally.read().items() if value}
    assert counts["noria_shadow_dropped"] == beyond
    assert counts["noria_passed_on"] == WAITING
    assert peer.connections <= UNDER_WAY
