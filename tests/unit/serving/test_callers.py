"""The end of a process that answers, over real connections: whoever is still there, it ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from functools import partial
from typing import cast

import pytest
import uvloop

from integration.certificates import Authority
from noria.records.policy import TlsPolicy
from noria.serving import connection
from noria.serving.callers import Callers
from noria.serving.connection import LINGER, READ_SECONDS, Connection, Desk
from noria.serving.post import Post
from noria.serving.tls import Certificates

CLIENTS = 20
ASKED = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class Nowhere:
    """The keeper of a process that has nobody else."""

    def give(self, sockets: Sequence[socket.socket]) -> None:
        raise AssertionError(f"{len(sockets)} connections were given away")


def _say(event: str, /, **facts: object) -> None:
    raise AssertionError(f"{event}: {facts}")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def _open(authority: Authority, answer: bytes = b"{}") -> tuple[Callers, Desk, int]:
    certificates = Certificates(TlsPolicy(certificate=str(authority.certificate), key=str(authority.key)))
    desk = Desk(lambda raw, send: send(answer), lambda error: None, max_body=1000)
    callers = Callers(desk, cast("Post", Nowhere()), certificates, _say)
    listening = socket.create_server(("127.0.0.1", 0), backlog=CLIENTS)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    callers.accept(listening)
    return callers, desk, listening.getsockname()[1]


def _connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    secured = context.wrap_socket(raw, server_hostname="127.0.0.1")
    secured.sendall(ASKED)
    assert secured.recv(1000).startswith(b"HTTP/1.1 200 OK")
    return secured


async def _ends_while_clients_leave(authority: Authority, turns: int) -> None:
    """`turns` of the loop lie between the clients' ends and the order to end."""
    callers, desk, port = await _open(authority)
    context = authority.trusting()
    clients = await asyncio.gather(
        *(asyncio.to_thread(_connect, port, context) for _ in range(CLIENTS)),
    )
    for each in clients:
        each.close()
    for _ in range(turns):
        await asyncio.sleep(0)
    callers.drain()
    async with asyncio.timeout(20):
        await callers.over.wait()
    assert not desk.connections


@pytest.mark.parametrize("turns", range(12))
def test_it_ends_whenever_its_clients_leave(authority: Authority, turns: int) -> None:
    """Between the end of a TLS connection and our hearing of it lie some turns of the loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_ends_while_clients_leave(authority, turns))


async def _ends_though_one_agrees_late(authority: Authority) -> None:
    callers, desk, port = await _open(authority)
    context = authority.trusting()
    raw = socket.create_connection(("127.0.0.1", port), timeout=20)
    held = await asyncio.to_thread(_connect, port, context)  # accepted in their order: `raw` is in
    sweep = asyncio.create_task(desk.sweep())
    callers.drain()
    await asyncio.sleep(0)
    late = await asyncio.to_thread(partial(context.wrap_socket, raw, server_hostname="127.0.0.1"))
    async with asyncio.timeout(20):
        await callers.over.wait()
    sweep.cancel()
    assert not desk.connections
    assert late.recv(1) == b""
    late.close()
    held.close()


def test_who_agrees_on_tls_once_it_ends_does_not_keep_it(authority: Authority) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_ends_though_one_agrees_late(authority))


async def _only(desk: Desk) -> Connection:
    while not desk.connections:
        await asyncio.sleep(0)
    (made,) = desk.connections
    return made


async def _ends_though_a_client_stays(authority: Authority) -> None:
    callers, desk, port = await _open(authority)
    desk.closing = True
    sweep = asyncio.create_task(desk.sweep())
    client = await asyncio.to_thread(_connect, port, authority.trusting())  # it has taken its last answer
    callers.drain()
    async with asyncio.timeout(20):
        await callers.over.wait()
    sweep.cancel()
    client.close()


def test_it_ends_though_a_client_does_not_after_its_last_answer(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.1)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_ends_though_a_client_stays(authority))


def _ask(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Ask with room for little of an answer."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", port))
    secured = context.wrap_socket(raw, server_hostname="127.0.0.1")
    secured.sendall(ASKED)
    return secured


def _read(client: ssl.SSLSocket) -> bytes:
    """All there is, without an answer to TLS's farewell."""
    came = bytearray()
    while piece := client.recv(2**16):
        came += piece
    return bytes(came)


async def _is_let_read(authority: Authority, size: int) -> None:
    _, desk, port = await _open(authority, answer=b"x" * size)
    desk.closing = True
    client = await asyncio.to_thread(_ask, port, authority.trusting())
    made = await _only(desk)
    while not made.transport.is_closing():
        await asyncio.sleep(0)
    made.look(made.since + READ_SECONDS - 1)
    came = await asyncio.to_thread(_read, client)
    assert came.endswith(b"\r\n\r\n" + b"x" * size)
    async with asyncio.timeout(20):
        while desk.connections:  # until the client's machine says that it has all
            made.look(made.since + LINGER + 1)
            await asyncio.sleep(0)
    client.close()


@pytest.mark.parametrize("size", [40_000, 10_000_000], ids=["in one piece", "in many"])
def test_a_last_answer_that_is_still_being_written_is_not_cut(authority: Authority, size: int) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_is_let_read(authority, size))
