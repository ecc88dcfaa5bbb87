"""A service from its socket to its last answer."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvicorn
import uvloop

from noria.serving.errors import NotLoopback, PortTaken
from noria.serving.http import Transport

KEEP_ALIVE = (
    75.0  # s; longer than the 60 of common proxies, so that the proxy closes an idle connection, not we
)
DRAIN = 30  # s that requests in flight get after SIGTERM, what orchestrators grant by default
BACKLOG = 2048  # connections that wait to be accepted


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `NotLoopback`, `PortTaken`."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NotLoopback(host=host)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise PortTaken(host=host, port=port, reason=str(error)) from error
    bound.set_inheritable(False)
    return bound


def url_of(bound: socket.socket) -> str:
    host, port, *_ = bound.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    transport: Transport,
    bound: socket.socket,
    *,
    beside: Callable[[], Awaitable[None]],
    ready: Callable[[], None],
    until_stdin_closes: bool = False,
) -> None:
    """Answer until SIGTERM or SIGINT, then finish what is in flight. `beside` runs along and is cancelled at the
    end; `ready` is called once connections are accepted."""
    server = uvicorn.Server(
        uvicorn.Config(
            transport,
            interface="asgi3",
            lifespan="off",
            loop="uvloop",
            http="httptools",
            ws="none",
            access_log=False,
            log_config=None,
            log_level="critical",
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=int(KEEP_ALIVE),
            timeout_graceful_shutdown=DRAIN,
        )
    )

    async def live() -> None:
        companion = asyncio.ensure_future(_beside(server, beside, ready))
        try:
            await server.serve(sockets=[bound])
        finally:
            companion.cancel()
            with suppress(asyncio.CancelledError):
                await companion

    # The server gives signals back to whoever had them before it, after the drain: by then there is nothing to do.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: None)
    if until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True, name="stdin").start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


async def _beside(
    server: uvicorn.Server, beside: Callable[[], Awaitable[None]], ready: Callable[[], None]
) -> None:
    while not server.started:
        await asyncio.sleep(0.005)
    ready()
    await beside()


def _stop_at_end_of_stdin(server: uvicorn.Server) -> None:
    while os.read(0, 4096):  # not sys.stdin, whose lock a thread must not hold when the interpreter ends
        pass
    server.should_exit = True
