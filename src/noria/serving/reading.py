"""What a connection's client sends, read into requests: what does not fit is refused where it is seen, not once it is all here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import httptools

from noria.errors import NoriaError
from noria.serving.errors import BadHttp, BadPacking, BodyTooLarge, HeadersTooLarge, WrongContentType
from noria.serving.heads import IN_VAIN, Head, head_of
from noria.serving.http_text import ANY, ROWS, TABLE, TIMEOUT, TOLD, UNTYPED, bodies_of, welcome
from noria.serving.packed import ENCODINGS, Unpacking
from noria.serving.raw import Headers, Raw

if TYPE_CHECKING:
    from noria.serving.connection import Connection, Desk

HEADERS = 64 * 2**10  # bytes of a request's line and headers: eight times what common servers take
HEADER = 32  # bytes that each header counts for beside its own, as in HTTP/2: so there are 2,000 at most
UNPROVEN = (
    64 * 2**10
)  # bytes of a body that are read before its sender must have shown a token, if one is wanted
READ = 256 * 2**10  # bytes that the event loop reads at once: so much of a body may come with the headers
LONGEST_TIMEOUT = 18  # digits that a sender may write of how long it waits


class Reading:
    """One connection's. Tells it of each request that has begun (`begun`), is whole (`came`) or is refused (`refuse`)."""

    __slots__ = (
        "_again",
        "_alone",
        "_bodied",
        "_body",
        "_body_size",
        "_connection",
        "_desk",
        "_expects",
        "_head_size",
        "_headers",
        "_in_vain",
        "_kinds",
        "_known_head",
        "_length",
        "_packed_size",
        "_parser",
        "_slow",
        "_trailing",
        "_unpacking",
        "_url",
        "_within",
        "over",
        "unfinished",
    )

    def __init__(self, connection: Connection, desk: Desk) -> None:
        self._connection = connection
        self._desk = desk
        self._parser: Any = httptools.HttpRequestParser(self)
        self._known_head: Head | None = None
        self._in_vain = 0
        self._alone = b""
        self._again = b""
        self.unfinished = False
        """Whether a request has begun to come that is not whole yet."""
        self.over = False
        """Whether nothing that comes is read any more."""
        self._afresh()

    def _afresh(self) -> None:
        self._url = b""
        self._headers: Headers = []
        self._length: bytes | None = None
        self._bodied = False
        self._expects = False
        self._head_size = 0
        self._kinds = ANY
        self._within = math.inf
        self._body: list[bytes] = []
        self._body_size = 0
        self._packed_size = 0
        self._unpacking: Unpacking | None = None
        self._trailing = False
        self._slow = 0

    def feed(self, data: bytes) -> None:
        if self.over:
            return
        head = self._known_head
        if head is not None and not self.unfinished and len(data) <= self._desk.unproven:
            body = head.body(data)
            if body is not None:
                self._in_vain = 0
                self._connection.came(head.raw.with_body(body))
                return
        self._parse(data)

    @property
    def protocol(self) -> bool:
        """Whether what comes now is asked in the inference protocol's words."""
        return self._url.startswith(b"/v2")

    def _parse(self, data: bytes) -> None:
        if not self.unfinished and self._in_vain < IN_VAIN:
            self._alone = data
        came = len(data)
        try:
            while data:
                data = self._fed(data)
        except httptools.HttpParserError as error:
            # else the parser stumbles over what follows a request that was refused, or the last
            self._refuse(BadHttp(problem=str(error) or type(error).__name__))
        self._alone = b""
        if self.unfinished:
            self._count_head(came)

    def _fed(self, data: bytes) -> bytes:
        """What is still to be parsed. A request may ask for another protocol: we speak HTTP/1.1 alone, and may. The parser leaves
        the body of such a request unread, so it gets the head once more, without that wish."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = httptools.HttpRequestParser(self)
            again, self._again = self._again, b""
            return again + data[upgrade.args[0] :]
        return b""

    def _count_head(self, came: int) -> None:
        """Refuse what has come since the last of a body: the parser tells of a header once it is whole, and would gather one
        without an end for ever."""
        self._slow += came
        if self._slow > HEADERS + READ:
            self._refuse(HeadersTooLarge(limit=HEADERS))

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        if not self.over:
            self.unfinished = True
            self._connection.begun()

    def on_url(self, url: bytes) -> None:
        self._head_size += len(url)
        self._url = self._url + url if self._url else url
        if self._head_size > HEADERS:
            self._refuse(HeadersTooLarge(limit=HEADERS))

    def on_header(self, name: bytes, value: bytes) -> None:
        size = len(name)
        self._head_size += size + len(value) + HEADER
        if self._head_size > HEADERS:
            self._refuse(HeadersTooLarge(limit=HEADERS))
            return
        if self._trailing:
            return  # what comes after a body says nothing of it: least of all who sent it
        self._headers.append((name, value))
        if size in TOLD:  # told by their lengths first: this is called for each header of each request
            self._look_at(name.lower(), value)

    def _look_at(self, name: bytes, value: bytes) -> None:
        """Headers that decide how the request is read."""
        if name == b"content-type":
            self._kinds &= bodies_of(value)
        elif name == b"content-encoding":
            self._look_at_encoding(value)
        elif name == b"x-noria-version":
            self._kinds = 0
        elif name == TIMEOUT:
            self._look_at_timeout(value)
        elif name == b"accept":
            self._kinds &= welcome(value)
        elif name == b"content-length":
            self._headers.pop()  # the body is as long as it is; so the same head comes again
            self._length, self._bodied = value, True
            if int(value) > self._desk.max_body:
                self._refuse(BodyTooLarge(limit=self._desk.max_body))
        elif name == b"transfer-encoding":
            self._bodied = True
            if value.lower() != b"chunked":  # else the body would be taken as it is
                self._refuse(BadHttp(problem="Transfer-Encoding may be chunked alone"))
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"

    def _look_at_encoding(self, value: bytes) -> None:
        encoding = value.strip().lower()
        if encoding == b"identity":
            return
        if encoding not in ENCODINGS or self._unpacking is not None:
            self._refuse(WrongContentType(given=f"content-encoding: {value.decode('latin-1')}"))
            return
        self._headers.pop()  # so whoever it is passed on to gets a plain one
        self._alone = b""  # the next one with this head would be taken for plain
        self._unpacking = Unpacking(encoding, self._desk.max_body)

    def _look_at_timeout(self, value: bytes) -> None:
        """Whoever waits for no time at all says nothing by it."""
        given = value.strip()
        if not given.isdigit() or len(given) > LONGEST_TIMEOUT:
            self._refuse(BadHttp(problem=f"{TIMEOUT.decode()} is no number of milliseconds"))
        elif int(given):
            self._within = int(given) / 1000

    def on_headers_complete(self) -> None:
        if self._expects and not (self.over or self._upgrades()):
            self._connection.go_on()

    def on_chunk_header(self) -> None:
        self._trailing = True

    def on_body(self, body: bytes) -> None:
        self._slow = 0
        if self.over or (self._unpacking is not None and self._stranger()):
            return
        if self._unpacking is not None:
            self._packed_size += len(body)
            try:
                body = self._unpacking.feed(body)
            except BadPacking as error:
                self._refuse(error)
                return
        self._body_size += len(body)
        if max(self._body_size, self._packed_size) > self._desk.max_body:
            self._refuse(BodyTooLarge(limit=self._desk.max_body))
        elif not body:
            return
        elif self._body_size > UNPROVEN and self._stranger():
            self._body.clear()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self.over:
            return
        if self._upgrades():
            self._again = self._head_without_upgrade()
            self._afresh()
            return
        if self._unpacking is not None:
            try:
                self._unpacking.end()
            except BadPacking as error:
                self._refuse(error)
                return
        parser, kinds = self._parser, self._kinds
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        if kinds & UNTYPED:
            kinds &= ROWS
        if not is_target(self._url):
            self._refuse(BadHttp(problem="its target is neither a path nor a URL"))
            return
        keep, method = parser.should_keep_alive(), parser.get_method()
        raw = Raw(method, self._url, self._headers, body, keep, kinds != 0, self._connection, kinds == TABLE)
        raw.within = self._within
        self._afresh()
        self.unfinished = False
        self.over = not keep or method == b"CONNECT"  # whose client goes on in another protocol
        if self._alone:
            self._learn(raw)
        self._connection.came(raw)

    # -- ends

    def _upgrades(self) -> bool:
        """Whether a request with a body asks for another protocol."""
        parser = self._parser
        return self._bodied and bool(parser.should_upgrade()) and parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        parser = self._parser
        kept = [header for header in self._headers if header[0].lower() != b"upgrade"]
        if self._length is not None:
            kept.append((b"content-length", self._length))
        line = b"%b %b HTTP/%b\r\n" % (parser.get_method(), self._url, parser.get_http_version().encode())
        return line + b"".join(b"%b: %b\r\n" % header for header in kept) + b"\r\n"

    def _learn(self, raw: Raw) -> None:
        """Remember its head for the next request, where it came in one piece."""
        self._in_vain += 1
        self._known_head = head_of(self._alone, raw)

    def _stranger(self) -> bool:
        """Whether whoever sends this much may not: refused, before all of it is here."""
        desk = self._desk
        error = desk.stranger(self._headers) if desk.stranger is not None else None
        if error is not None:
            self._refuse(error)
        return error is not None

    def _refuse(self, error: NoriaError) -> None:
        if not self.over:
            self._connection.refuse(error)


def is_target(url: bytes) -> bool:
    """Whether whoever looks for the path in it finds one, or that there is none."""
    if url.startswith(b"/"):
        return True
    try:
        httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return False
    return True
