"""A request passed on, over a Unix socket, to a process of the same service that can answer it."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from noria.serving.messages import Response
from noria.serving.raw import Raw
from noria.serving.service_errors import Unreachable

KEPT_BACK = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"transfer-encoding",
        b"content-length",
        b"expect",
        b"upgrade",
        b"authorization",
    }
)
"""Headers that are between a caller and this worker alone: a secret goes no further."""


async def pass_on(
    raw: Raw, path: str, *, seconds: float, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Response:
    """The other process's response. Raises `Unreachable` when it does not come whole, or not in time."""
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(_request(raw, headers))
                return await _response(reader)
            finally:
                writer.close()
    except (OSError, TimeoutError, httptools.HttpParserError, EOFError) as error:
        raise Unreachable(problem=type(error).__name__) from error


def _request(raw: Raw, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    own = [(name, value) for name, value in raw.headers if name.lower() not in KEPT_BACK]
    lines = b"".join(b"%b: %b\r\n" % header for header in (*own, *headers))
    head = b"%b %b HTTP/1.1\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n"
    return head % (raw.method, raw.url, lines, len(raw.body)) + raw.body


async def _response(reader: asyncio.StreamReader) -> Response:
    heard = _Heard()
    parser: Any = httptools.HttpResponseParser(heard)
    while not heard.whole:
        data = await reader.read(1 << 16)
        if not data:
            raise EOFError
        parser.feed_data(data)
    kind = heard.headers.pop("content-type", "application/octet-stream")
    kept = {name: value for name, value in heard.headers.items() if name in ("retry-after", "allow")}
    return Response(parser.get_status_code(), b"".join(heard.body), kind, kept)


class _Heard:
    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.whole = True
