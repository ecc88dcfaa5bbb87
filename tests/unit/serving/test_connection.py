"""A connection's HTTP, byte by byte, on a transport that records what is written."""

from __future__ import annotations

import asyncio
import gzip
import math
import socket
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest

from noria.errors import NoriaError
from noria.serving.connection import BODY_SECONDS, KEEP_ALIVE, Connection, Desk
from noria.serving.gate import TokenMissing
from noria.serving.heads import IN_VAIN, head_of
from noria.serving.messages import Response
from noria.serving.packed import Unpacking
from noria.serving.raw import Raw
from noria.serving.reading import HEADERS, Reading

Send = Callable[[bytes | Response], None]


class Wire(asyncio.Transport):
    """What a transport would have sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False
        self.paused = False
        self.held, self.other = socket.socketpair()

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.held if name == "socket" else default


class House:
    """A desk whose answers are given when the test says so."""

    def __init__(self, loop: asyncio.AbstractEventLoop, **limits: int) -> None:
        self.loop = loop
        self.asked: list[tuple[Raw, Send]] = []
        self.refusals: list[NoriaError] = []
        limits.setdefault("max_body", 1000)
        self.desk = Desk(lambda raw, send: self.asked.append((raw, send)), self.refusals.append, **limits)

    def connected(self) -> tuple[Connection, Wire]:
        connection, wire = Connection(self.desk, self.loop), Wire()
        connection.connection_made(wire)
        return connection, wire

    def turn(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def house() -> Iterator[House]:
    loop = asyncio.new_event_loop()
    yield House(loop)
    loop.close()


def post(body: bytes = b"{}", path: str = "/a", more: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode() + body


def test_a_request_in_single_bytes_is_one_request(house: House) -> None:
    connection, wire = house.connected()
    for byte in post(b'{"n": 1}'):
        connection.data_received(bytes([byte]))
    ((raw, send),) = house.asked
    assert (raw.method, raw.url, raw.body) == (b"POST", b"/a", b'{"n": 1}')
    send(b"[1]")
    assert wire.sent.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3\r\n")
    assert wire.sent.endswith(b"\r\n\r\n[1]") and not wire.closed


TABLE = "content-type: application/vnd.apache.arrow.stream\r\n"
JSON = "content-type: application/json\r\n"


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ("", "json"),
        (JSON, "json"),
        (JSON + "accept: */*\r\n", "json"),
        ("accept: application/json\r\n" + JSON, "json"),
        (JSON + TABLE.replace("content-type", "accept"), "in doubt"),
        ("accept: application/vnd.apache.arrow.stream\r\n", "in doubt"),
        (TABLE, "table"),
        ("accept: */*\r\n" + TABLE, "table"),
        (TABLE + TABLE.replace("content-type", "accept"), "table"),
        (TABLE + "accept: application/json\r\n", "in doubt"),
        (TABLE + JSON, "in doubt"),
        (TABLE + "x-noria-version: 2\r\n", "in doubt"),
        ("content-type: application/x-ndjson\r\n", "in doubt"),
    ],
)
def test_headers_tell_how_a_body_is_to_be_read_and_answered(house: House, headers: str, kind: str) -> None:
    connection, _ = house.connected()
    connection.data_received(post(more=headers) + post())
    (raw, send), *_ = house.asked
    assert (raw.plain, raw.table) == {"json": (True, False), "table": (True, True)}.get(
        kind, (False, raw.table)
    )
    send(b"{}")
    house.turn()
    assert (house.asked[1][0].plain, house.asked[1][0].table) == (True, False)  # the next one begins anew


def test_requests_of_one_connection_are_answered_in_their_order(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(post(path="/1") + post(path="/2") + post(path="/3"))
    assert [raw.url for raw, _ in house.asked] == [b"/1"]
    for number in range(3):
        house.asked[number][1](b"%d" % number)
        house.turn()
    assert [raw.url for raw, _ in house.asked] == [b"/1", b"/2", b"/3"]
    assert [part.partition(b"\r\n\r\n")[2][:1] for part in wire.sent.split(b"HTTP/1.1")[1:]] == [
        b"0",
        b"1",
        b"2",
    ]


def test_who_comes_as_another_is_answered_does_not_overtake_those_who_wait(house: House) -> None:
    connection, _ = house.connected()
    connection.data_received(post(path="/1") + post(path="/2"))
    house.asked[0][1](b"1")
    connection.data_received(post(path="/3"))  # the loop has not come to the second yet
    house.turn()
    assert [raw.url for raw, _ in house.asked] == [b"/1", b"/2"]
    house.asked[1][1](b"2")
    house.turn()
    assert [raw.url for raw, _ in house.asked] == [b"/1", b"/2", b"/3"]


def test_what_comes_after_a_connections_last_request_is_not_read(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(
        post(path="/1") + post(path="/2", more="connection: close\r\n") + post(path="/3")
    )
    connection.data_received(b"and anything else")
    for number in range(2):
        house.asked[number][1](b"%d" % number)
        house.turn()
    assert [raw.url for raw, _ in house.asked] == [b"/1", b"/2"]
    assert wire.sent.count(b"200 OK") == 2 and wire.sent.endswith(b"\r\n\r\n1") and wire.closed
    assert not house.refusals


@pytest.mark.parametrize("waiting", [1, 2])
def test_what_is_no_request_is_told_after_the_answers_to_those_before_it(house: House, waiting: int) -> None:
    connection, wire = house.connected()
    connection.data_received(waiting * post() + post(bytes(2000), more="x: y\r\n"))
    connection.data_received(post())
    assert not wire.sent and len(house.refusals) == 1
    for number in range(waiting):
        house.asked[number][1](b"%d" % number)
        house.turn()
    answers = wire.sent.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [*[b"200"] * waiting, b"413"]
    assert [b"connection: close" in answer for answer in answers] == [*[False] * waiting, True]
    assert len(house.asked) == waiting


def test_what_waits_is_answered_while_a_process_ends_and_no_more_is_read(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(3 * post())
    house.desk.closing = True
    house.asked[0][1](b"0")
    house.turn()
    connection.data_received(post())
    for number in (1, 2):
        house.asked[number][1](b"%d" % number)
        house.turn()
    answers = wire.sent.split(b"HTTP/1.1 ")[1:]
    assert [answer[-1:] for answer in answers] == [b"0", b"1", b"2"]
    assert [b"connection: close" in answer for answer in answers] == [False, False, True] and wire.closed


def test_who_pipelines_without_end_is_not_read_any_further(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(post() * 80)
    assert wire.paused
    for number in range(80):
        house.asked[number][1](b"")
        house.turn()
    assert not wire.paused


@pytest.mark.parametrize("size", [1001, 10**12])
def test_a_body_that_is_announced_too_large_is_refused_before_it_comes(house: House, size: int) -> None:
    connection, wire = house.connected()
    connection.data_received(f"POST /a HTTP/1.1\r\ncontent-length: {size}\r\n\r\n".encode())
    assert wire.sent.startswith(b"HTTP/1.1 413 ") and b"connection: close" in wire.sent
    assert [error.code for error in house.refusals] == ["REQUEST-TOO-LARGE"]
    connection.data_received(b"x" * 5000)
    assert not house.asked and wire.sent.count(b"HTTP/1.1") == 1


def test_a_body_that_grows_too_large_is_refused_where_it_does(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(b"POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n")
    for _ in range(11):
        connection.data_received(b"64\r\n" + b"x" * 100 + b"\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 413 ") and not house.asked


@pytest.mark.parametrize("pieces", [1, 7, 1000])
@pytest.mark.parametrize(
    ("encoding", "packed"), [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_compressed_body_is_unpacked(
    house: House, encoding: str, packed: Callable[[bytes], bytes], pieces: int
) -> None:
    connection, _ = house.connected()
    body = b"[" + b"7," * 499 + b"]"
    head = f"content-encoding: {encoding}\r\n"
    sent = 2 * post(packed(body), more=head) + post(b"[8]")
    for start in range(0, len(sent), pieces):
        connection.data_received(sent[start : start + pieces])
    for _ in range(3):
        house.asked[-1][1](b"1")
        house.turn()
    assert [raw.body for raw, _ in house.asked] == [body, body, b"[8]"]
    assert all(raw.plain and not dict(raw.headers).get(b"content-encoding") for raw, _ in house.asked)


def test_a_body_that_is_as_long_packed_as_it_is_unpacked_leaves_no_head_behind(house: House) -> None:
    """The next one with this head would be taken for plain."""
    body, random = b"", Random(1)
    while len(gzip.compress(body)) != len(body):
        body = bytes(random.choices(b"abcd", k=random.randint(40, 160)))
    connection, _ = house.connected()
    for _ in range(2):
        connection.data_received(post(gzip.compress(body), more="content-encoding: gzip\r\n"))
        house.asked[-1][1](b"1")
        house.turn()
    assert [raw.body for raw, _ in house.asked] == [body, body]


def test_a_compressed_body_is_unpacked_no_further_than_the_limit() -> None:
    bomb = gzip.compress(bytes(100 << 20))
    assert len(Unpacking(b"gzip", 1000).feed(bomb)) == 1001


@pytest.mark.parametrize("times", [1, 200])
def test_a_compressed_body_that_grows_too_large_is_refused_before_it_is_whole(
    house: House, times: int
) -> None:
    """As it unpacks, or as it comes: of what unpacks to nothing there may be any amount."""
    connection, wire = house.connected()
    empty = zlib.compressobj(wbits=31)
    body = gzip.compress(bytes(5000)) if times == 1 else empty.compress(b"") + empty.flush(zlib.Z_SYNC_FLUSH)
    connection.data_received(
        b"POST /a HTTP/1.1\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for _ in range(times):
        connection.data_received(b"%x\r\n%b\r\n" % (len(body), body))
        body = body if times == 1 else empty.flush(zlib.Z_SYNC_FLUSH)
        body = body or b"\x00\x00\x00\xff\xff"
    assert b" 413 " in wire.sent and not house.asked and len(connection._reading._body) < 2


@pytest.mark.parametrize("encodings", ["br", "gzip, gzip", "gzip\r\ncontent-encoding: gzip"])
def test_a_body_in_another_encoding_is_refused_before_it_comes(house: House, encodings: str) -> None:
    connection, wire = house.connected()
    connection.data_received(post(b"{}", more=f"content-encoding: {encodings}\r\n")[:-2])
    assert b" 415 " in wire.sent and not house.asked


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("pieces", [1, 10_000])
def test_who_wants_another_protocol_for_a_request_with_a_body_is_answered_to_all_of_it(
    house: House, chunked: bool, pieces: int
) -> None:
    """The parser takes such a body for what comes after the request: as clients of HTTP/2 send it, and who smuggles."""
    connection, wire = house.connected()
    inner = post(b"[1]", path="/inner")
    wish = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    sent = (
        f"POST /a HTTP/1.1\r\n{wish}transfer-encoding: chunked\r\n\r\n{len(inner):x}\r\n".encode()
        + inner
        + b"\r\n0\r\n\r\n"
        if chunked
        else post(inner, more=wish)
    ) + post(b"[2]")
    for start in range(0, len(sent), pieces):
        connection.data_received(sent[start : start + pieces])
    for _ in range(2):
        house.asked[-1][1](b"1")
        house.turn()
    assert [(raw.url, raw.body) for raw, _ in house.asked] == [(b"/a", inner), (b"/a", b"[2]")]
    assert wire.sent.count(b" 200 OK") == 2


def test_many_who_want_another_protocol_are_answered_one_after_another(house: House) -> None:
    connection, _ = house.connected()
    wish = "connection: upgrade\r\nupgrade: h2c\r\n"
    connection.data_received(3000 * post(more=wish))
    for _ in range(3000):
        house.asked[-1][1](b"1")
        house.turn()
    assert len(house.asked) == 3000


@pytest.mark.parametrize("target", ["http:///x", "http://h:99999/x", "http://@/x"])
def test_a_target_that_is_none_is_told_so(house: House, target: str) -> None:
    connection, wire = house.connected()
    connection.data_received(post(path=target))
    assert b" 400 " in wire.sent and b"neither a path nor a URL" in wire.sent and not house.asked


def test_who_is_answered_by_a_fault_of_ours_is_not_waited_for(house: House) -> None:
    told: list[Any] = []
    house.loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
    connection, wire = house.connected()

    def breaks(raw: Raw, send: Send) -> None:
        raise ZeroDivisionError

    house.desk.answer = breaks
    connection.data_received(post())
    assert b" 500 " in wire.sent and b" 400 " not in wire.sent and connection.between
    assert [type(error) for error in told] == [ZeroDivisionError]


def test_nobody_is_told_to_go_on_before_the_answers_that_are_owed(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(post() + post(more="expect: 100-continue\r\n")[:-2])
    assert not wire.sent
    house.asked[0][1](b"1")
    connection.data_received(b"{}")
    house.turn()
    house.asked[1][1](b"2")
    assert b"100 Continue" not in wire.sent and wire.sent.count(b" 200 OK") == 2


def test_what_waits_for_those_before_it_has_waited(house: House) -> None:
    connection, _ = house.connected()
    began = house.loop.time()
    connection.data_received(2 * post(more=JSON))
    house.asked[0][1](b"1")
    house.turn()
    first, second = (raw.came for raw, _ in house.asked)
    assert first == math.inf and began <= second <= house.loop.time()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", b"incorrect header check"),
        (gzip.compress(b"{}")[:-3], b"its end is missing"),
        (gzip.compress(b"{}")[:-8] + bytes(8), b"incorrect data check"),
        (gzip.compress(b"{}") + b"{}", b"more follows its end"),
    ],
    ids=["plain", "cut", "damaged", "followed"],  # gzip writes the time of day
)
def test_what_is_not_compressed_as_it_says_is_told_so(house: House, body: bytes, told: bytes) -> None:
    connection, wire = house.connected()
    connection.data_received(post(body, more="content-encoding: gzip\r\n"))
    assert (
        b" 400 " in wire.sent and b"REQUEST-ENCODING" in wire.sent and told in wire.sent and not house.asked
    )


def test_nobody_unpacks_for_a_stranger(house: House) -> None:
    house.desk.stranger = lambda headers: TokenMissing(scope="infer")
    connection, wire = house.connected()
    connection.data_received(post(gzip.compress(b"{}"), more="content-encoding: gzip\r\n"))
    assert b" 401 " in wire.sent and not house.asked


def test_an_empty_body_is_no_half_of_a_compressed_one(house: House) -> None:
    connection, _ = house.connected()
    connection.data_received(post(b"", more="content-encoding: gzip\r\n"))
    assert [raw.body for raw, _ in house.asked] == [b""]


def test_how_long_a_sender_waits_is_of_one_request(house: House) -> None:
    connection, _ = house.connected()
    waits = post(more=JSON + "X-Envoy-Expected-Rq-Timeout-Ms:  250 \r\n")
    no_time = post(more=JSON + "x-envoy-expected-rq-timeout-ms: 0\r\n")
    for sent in (waits, waits, no_time, post(more=JSON)):
        connection.data_received(sent)
        house.asked[-1][1](b"1")
        house.turn()
    assert [raw.within for raw, _ in house.asked] == [0.25, 0.25, math.inf, math.inf]
    first, last = house.asked[0][0], house.asked[-1][0]
    first.came = last.came = 50.0
    assert (first.until(50.1, 10.0), last.until(50.1, 10.0)) == (50.25, 60.0)


@pytest.mark.parametrize("told", ["soon", "-1", "1.5", "9" * 30])
def test_how_long_a_sender_waits_is_a_number(house: House, told: str) -> None:
    connection, wire = house.connected()
    connection.data_received(post(more=f"x-envoy-expected-rq-timeout-ms: {told}\r\n"))
    assert b" 400 " in wire.sent and b"no number of milliseconds" in wire.sent and not house.asked


def test_headers_without_end_are_refused(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(b"GET /a HTTP/1.1\r\n")
    for number in range(HEADERS // 100):
        connection.data_received(b"x-%d: " % number + b"y" * 100 + b"\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 431 ")
    assert [error.code for error in house.refusals] == ["REQUEST-HEADERS"]


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"POST /a HTTP/1.1\r\ncontent-length: -4\r\n\r\n"]
)
def test_what_is_no_http_is_told_so(house: House, data: bytes) -> None:
    connection, wire = house.connected()
    connection.data_received(data)
    assert wire.sent.startswith(b"HTTP/1.1 400 ") and b"REQUEST-HTTP" in wire.sent


def test_who_asks_to_go_on_is_told_to(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(b"POST /a HTTP/1.1\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
    assert wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.data_received(b"{}")
    assert len(house.asked) == 1


def test_who_wants_another_protocol_gets_this_one(house: House) -> None:
    connection, _ = house.connected()
    upgrade = b"GET /a HTTP/1.1\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\r\n"
    connection.data_received(upgrade)
    house.asked[0][1](b"1")
    house.turn()
    connection.data_received(post(path="/b"))
    assert [raw.url for raw, _ in house.asked] == [b"/a", b"/b"]


HEAD = b"POST /a HTTP/1.1\r\nhost: x\r\n"


@pytest.mark.parametrize(
    "begins",
    [
        b"GET /",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-endless: ",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-endless",
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1;ext=",
        HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-trailer: ",
    ],
)
def test_what_has_no_end_is_not_gathered(house: House, begins: bytes) -> None:
    connection, wire = house.connected()
    connection.data_received(begins)
    came = 0
    while not wire.sent and came < 10 * HEADERS:
        came += HEADERS // 4
        connection.data_received(b"0" * (HEADERS // 4))
    assert wire.sent.startswith(b"HTTP/1.1 4") and b"connection: close" in wire.sent
    assert not house.asked and wire.sent.count(b"HTTP/1.1") == 1


def test_a_large_body_is_no_header_without_end(house: House) -> None:
    house.desk.max_body = 20 * HEADERS
    for more in ("", "transfer-encoding: chunked"):
        connection, _ = house.connected()
        body = b"x" * 10 * HEADERS
        sent = (
            post(body)
            if not more
            else HEAD + more.encode() + b"\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        )
        for at in range(0, len(sent), 50_000):
            connection.data_received(sent[at : at + 50_000])
        assert house.asked.pop()[0].body == body


def test_very_many_headers_are_refused_however_small(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 3000)
    assert wire.sent.startswith(b"HTTP/1.1 431 ")


def test_a_trailer_is_no_header(house: House) -> None:
    connection, _ = house.connected()
    chunks = b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    connection.data_received(HEAD + chunks + b"authorization: Bearer x\r\ncontent-type: text/plain\r\n\r\n")
    ((raw, _),) = house.asked
    assert raw.body == b"{}" and [name for name, _ in raw.headers] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
        HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
        HEAD + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"content-length: 2, 2\r\n\r\n{}",
        HEAD + b"content-length: +2\r\n\r\n{}",
        HEAD + b"content-length: -2\r\n\r\n{}",
        HEAD + b"content-length: 0x2\r\n\r\n{}",
        HEAD + b"content-length:\r\n\r\n{}",
        HEAD + b"content-length: 99999999999999999999\r\n\r\n{}",
        HEAD + b"content-length : 2\r\n\r\n{}",
        HEAD + b"transfer-encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: identity\r\n\r\n{}",
        HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
        HEAD + b"x-folded: a\r\n  content-length: 5\r\n\r\n",
        b"POST /a HTTP/1.1\nhost: x\n\n",
        HEAD + b"x-bare: a\ncontent-length: 2\r\n\r\n{}",
        HEAD + b"x-bare: a\rcontent-length: 2\r\n\r\n{}",
        HEAD + b"x-nul: a\x00b\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /a HTTP/9.9\r\nhost: x\r\n\r\n",
    ],
)
def test_what_another_reader_could_read_otherwise_is_refused_and_its_connection_closed(
    house: House, data: bytes
) -> None:
    """A proxy before the service and the service must never differ about where a request ends."""
    connection, wire = house.connected()
    connection.data_received(data + b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n")
    assert wire.sent.startswith(b"HTTP/1.1 400 ") and b"connection: close" in wire.sent
    assert wire.sent.count(b"HTTP/1.1 ") == 1
    assert not house.asked


@pytest.mark.parametrize(
    ("version", "more", "kept"),
    [
        ("1.0", "", False),
        ("1.0", "connection: keep-alive\r\n", True),
        ("1.1", "", True),
        ("1.1", "connection: close\r\n", False),
    ],
)
def test_old_clients_are_answered_too(house: House, version: str, more: str, kept: bool) -> None:
    connection, wire = house.connected()
    connection.data_received(f"GET /a HTTP/{version}\r\n{more}\r\n".encode())
    house.asked[0][1](b"[]")
    assert wire.sent.startswith(b"HTTP/1.1 200 OK") and wire.closed == (not kept)


def test_bodies_that_wait_for_one_another_are_not_gathered_without_end(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(post(b"x" * 900) * 3)
    assert wire.paused
    for number in range(3):
        house.asked[number][1](b"")
        house.turn()
    assert not wire.paused


def test_a_head_has_no_body(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(b"HEAD /a HTTP/1.1\r\n\r\n")
    house.asked[0][1](b"[1, 2]")
    assert b"content-length: 6\r\n" in wire.sent and wire.sent.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("begins", "after", "status"),
    [
        (b"", KEEP_ALIVE + 1, b""),
        (b"POST /a HT", BODY_SECONDS + 1, b"HTTP/1.1 408 "),
        (post()[:-1], BODY_SECONDS + 1, b"HTTP/1.1 408 "),
    ],
)
def test_who_keeps_us_waiting_is_let_go(house: House, begins: bytes, after: float, status: bytes) -> None:
    connection, wire = house.connected()
    if begins:
        connection.data_received(begins)
    connection.look(connection.since + after / 2)
    assert not wire.sent and not wire.closed
    connection.look(connection.since + after)
    assert wire.sent.startswith(status) and (wire.sent or wire.closed)


def test_who_trickles_gains_no_time_by_it(house: House) -> None:
    connection, _ = house.connected()
    connection.data_received(b"POST /a HTTP/1.1\r\n")
    began = connection.since
    connection.data_received(b"x-slow: y\r\n")
    assert connection.since == began


def test_a_connection_too_many_is_told_so(house: House) -> None:
    house.desk.max_connections = 1
    house.connected()
    _, wire = house.connected()
    assert wire.sent.startswith(b"HTTP/1.1 503 ") and b"retry-after" in wire.sent


def test_only_between_two_requests_can_a_connection_go_elsewhere(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(post()[:-1])
    assert connection.part() is None
    connection.data_received(post()[-1:])
    assert connection.part() is None
    house.asked[0][1](b"1")
    taken = connection.part()
    assert taken is not None and wire.paused and connection not in house.desk.connections
    wire.held.close()  # as the transport does
    taken.send(b"still the same connection")
    assert wire.other.recv(100) == b"still the same connection"
    taken.close()


@pytest.mark.parametrize("cut", [1, 30, -1])
def test_who_has_begun_another_request_is_not_idle(house: House, cut: int) -> None:
    connection, wire = house.connected()
    gone: list[Connection] = []
    house.desk.parting = gone.append
    connection.data_received(post() + post(path="/b")[:cut])
    house.asked[0][1](b"1")
    house.turn()
    assert not connection.between and not connection.silent
    connection.let_go()
    assert connection.part() is None and not wire.closed and not wire.paused
    connection.look(connection.since + BODY_SECONDS + 1)
    assert wire.sent.count(b"HTTP/1.1 408 ") == 1


def test_a_body_is_no_request_whatever_stands_in_it(house: House) -> None:
    """After heads that were learnt in vain the last of them is remembered still."""
    connection, _ = house.connected()
    known = [AGAIN.format(2, number).encode() + b"{}" for number in range(IN_VAIN)]
    begins = AGAIN.format(len(known[-1]), "another").encode()
    answered = 0
    for packet in [*known, post(b"1") + begins, known[-1]]:
        connection.data_received(packet)
        while answered < len(house.asked):
            house.asked[answered][1](b"1")
            house.turn()
            answered += 1
    assert [raw.body for raw, _ in house.asked][-2:] == [b"1", known[-1]]


def test_a_connection_that_answers_goes_elsewhere_after_its_answer(house: House) -> None:
    connection, _ = house.connected()
    connection.data_received(post())
    gone: list[Connection] = []
    house.desk.parting = gone.append
    house.asked[0][1](b"1")
    house.turn()
    assert gone == [connection]


def test_while_a_process_ends_each_answer_is_the_last(house: House) -> None:
    connection, wire = house.connected()
    connection.data_received(post())
    house.desk.closing = True
    house.asked[0][1](b"1")
    assert b"connection: close\r\n" in wire.sent and wire.closed


AGAIN = "POST /a HTTP/1.1\r\nhost: a\r\nContent-Length: {}\r\ntraceparent: {}\r\n\r\n"


def parsed(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is given to the parser from now on."""
    given: list[bytes] = []
    parse = Reading._parse

    def noted(self: Reading, data: bytes) -> None:
        given.append(data)
        parse(self, data)

    monkeypatch.setattr(Reading, "_parse", noted)
    return given


def test_a_head_that_comes_again_is_not_parsed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    connection, wire = house.connected()
    given = parsed(connection, monkeypatch)
    bodies = [b"{}", b'{"a": 1}', b'{"a": "something longer"}']
    for body in bodies:
        connection.data_received(AGAIN.format(len(body), "one").encode() + body)
        house.asked[-1][1](b"1")
    assert [raw.body for raw, _ in house.asked] == bodies
    assert len(given) == 1
    assert wire.sent.count(b"200 OK") == 3


def test_whose_head_is_another_each_time_is_not_remembered_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, _ = house.connected()
    learnt: list[bytes] = []
    monkeypatch.setattr(
        "noria.serving.reading.head_of", lambda data, raw: learnt.append(data) or head_of(data, raw)
    )
    for number in range(50):
        connection.data_received(AGAIN.format(2, number).encode() + b"{}")
        house.asked[-1][1](b"1")
    assert len(learnt) == IN_VAIN
