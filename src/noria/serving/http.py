"""The transport: ASGI in and out, bodies read no further than they are wanted. Nothing here knows a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from noria.errors import NoriaError
from noria.serving.errors import BodyTooLarge, BodyTooSlow
from noria.serving.messages import Request, Response
from noria.serving.routes import Front

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_SECONDS = 30.0  # s for the whole body; a client that trickles longer holds memory for nothing
LINGER = 2.0  # s that a refused body is read and thrown away, so that its sender gets to read why


class Gone(Exception):
    """The client left before its request was whole."""


class Transport:
    """The ASGI application of one service."""

    def __init__(self, front: Front, *, max_body: int) -> None:
        self._front = front
        self._max_body = max_body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        path = scope["path"]
        try:
            body = await self._body(headers, receive)
        except Gone:
            return
        except NoriaError as error:
            await _send_and_linger(self._front.refuse(error, path), receive, send)
            return
        response = await self._front.handle(Request(scope["method"], path, headers, body))
        await _start(response, send)
        await send({"type": "http.response.body", "body": response.body})

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The whole body. Raises `BodyTooLarge` on what the sender announces or as soon as it is seen, `BodyTooSlow`,
        and `Gone` for one that ends early."""
        announced = headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self._max_body:
            raise BodyTooLarge(limit=self._max_body)
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    part = message.get("body", b"")
                    size += len(part)
                    if size > self._max_body:
                        raise BodyTooLarge(limit=self._max_body)
                    parts.append(part)
                    if not message.get("more_body", False):
                        return parts[0] if len(parts) == 1 else b"".join(parts)
        except TimeoutError as error:
            raise BodyTooSlow(seconds=BODY_SECONDS) from error


async def _start(response: Response, send: Send, *, close: bool = False) -> None:
    headers = {
        "content-type": response.content_type,
        "content-length": str(len(response.body)),
        **response.headers,
    }
    if close:
        headers["connection"] = "close"
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": encoded})


async def _send_and_linger(response: Response, receive: Receive, send: Send) -> None:
    """Answer before the body has been read, then close. To close at once would reset the connection under a sender
    that still writes, and the answer would be lost."""
    await _start(response, send, close=True)
    await send({"type": "http.response.body", "body": response.body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    break
    await send({"type": "http.response.body", "body": b""})
