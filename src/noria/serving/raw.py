"""A request as it came over a connection, before anybody looked into it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import httptools

from noria.serving.messages import Request, Response

if TYPE_CHECKING:
    from noria.serving.connection import Connection
    from noria.serving.traces import Span

Headers = list[tuple[bytes, bytes]]


class Raw:
    """A whole request."""

    __slots__ = (
        "body",
        "came",
        "connection",
        "headers",
        "keep",
        "method",
        "plain",
        "span",
        "table",
        "url",
        "within",
    )

    def __init__(
        self,
        method: bytes,
        url: bytes,
        headers: Headers,
        body: bytes,
        keep: bool,
        plain: bool = False,
        connection: Connection | None = None,
        table: bool = False,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        """But for its body's length."""
        self.body = body
        self.keep = keep
        self.plain = plain
        """Whether its headers leave no doubt how the body is to be read and answered, and the path is all that says who is
        asked."""
        self.table = table
        """Of a plain one: whether the body is a stream of Arrow record batches, to be answered by one; else both are JSON."""
        self.connection = connection
        self.came = math.inf
        """When it was there to be read, by the loop's clock and at the latest; infinite where nobody knows."""
        self.within = math.inf
        """Seconds from then for which its sender waits, as far as it says."""
        self.span: Span | None = None
        """Its trace, where it has one."""

    def with_body(self, body: bytes) -> Raw:
        """Another request of its connection, with the same head."""
        other = Raw(
            self.method, self.url, self.headers, body, self.keep, self.plain, self.connection, self.table
        )
        other.within = self.within
        return other

    def until(self, now: float, most: float) -> float:
        """By the loop's clock, when nobody waits for its answer any more; `most`: seconds that any request may take."""
        return min(self.came, now) + min(self.within, most)

    def send(self, answer: bytes | Response) -> None:
        """Answer it, once; bytes are a body of JSON with status 200."""
        if self.connection is not None:
            self.connection.send(answer, self)

    def request(self) -> Request:
        """As the routes read it: a path without its query, names of headers in lower case."""
        path = httptools.parse_url(self.url).path or b"/"
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.headers}
        return Request(self.method.decode("latin-1"), path.decode("latin-1"), headers, self.body)
