"""What a connection remembers of the last request's head: a client writes each of its requests with the same one.

The parser calls back for the path, for each header and for the body. Once it has read a head, the next request of the
connection that has the same bytes, but for its body's length, means the same, and need not be parsed. What differs in any
other byte, or is not one whole request, is the parser's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noria.serving.raw import Raw

LONGEST = 2048  # bytes of a head that is remembered, for there may be 10,000 connections
DIGITS = 7  # of a body's length: a larger body comes in pieces, and is the parser's
IN_VAIN = 4  # heads that a connection learns in a row though the next request had another, such as a client's that traces

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_OTHERWISE = (
    b"\r\ntransfer-encoding:",
    b"\r\nexpect:",
    b"\r\nupgrade:",
)  # headers whose requests are the parser's


@dataclass(frozen=True)
class Head:
    """A head that the parser has read, as the text around its body's length."""

    before: bytes
    after: bytes
    raw: Raw
    """The request that came with it, without its body."""

    def body(self, data: bytes) -> bytes | None:
        """The body of `data`, where that is one whole request with this head."""
        before, after = self.before, self.after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + DIGITS + 1)
        length = data[start:end]
        if not length.isdigit() or not data.startswith(after, end):
            return None
        body = data[end + len(after) :]
        return body if len(body) == int(length) else None


def head_of(data: bytes, raw: Raw) -> Head | None:
    """The head of a request that came whole, in one piece and alone; None where it says more than how long its body is."""
    head = data[: len(data) - len(raw.body)]
    begins = b"POST %b HTTP/1.1\r\n" % raw.url
    if len(head) > LONGEST or not (raw.plain and raw.keep and head.startswith(begins)):
        return None
    lowered = head.lower()
    if lowered.find(_END) != len(head) - len(_END) or lowered.count(_LENGTH) != 1:
        return None
    if any(header in lowered for header in _OTHERWISE):
        return None
    name_ends = lowered.index(_LENGTH) + len(_LENGTH)
    start = name_ends + len(head[name_ends:]) - len(head[name_ends:].lstrip(b" "))
    end = head.index(b"\r", start)
    return Head(head[:start], head[end:], raw.with_body(b"")) if head[start:end].isdigit() else None
