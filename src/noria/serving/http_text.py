"""The text of HTTP/1.1: which headers decide how a request is read, and how an answer is written."""

from __future__ import annotations

from noria.serving.messages import ARROW, Response

REASONS = {
    200: b"OK",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    422: b"Unprocessable Content",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}

TIMEOUT = b"x-envoy-expected-rq-timeout-ms"
"""Says for how long the sender waits; Envoy, and the meshes made of it, write it unasked."""
TOLD = frozenset(
    map(
        len,
        (
            b"accept",
            b"content-type",
            b"content-encoding",
            b"content-length",
            b"expect",
            b"x-noria-version",
            TIMEOUT,
            b"transfer-encoding",
        ),
    )
)
PLAIN = frozenset(
    (b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8")
)


def written(answer: bytes | Response, date: bytes, *, keep: bool, bodiless: bool) -> bytes:
    """An answer as it goes over the wire; bytes are a body of JSON with status 200. `date`: a whole header line."""
    ending = b"\r\n" if keep else b"connection: close\r\n\r\n"
    if isinstance(answer, bytes):
        return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%b%b%b" % (
            len(answer),
            date,
            ending,
            b"" if bodiless else answer,
        )
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items()).encode("latin-1")
    return b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n%b%b%b%b" % (
        answer.status,
        REASONS.get(answer.status, b"Other"),
        answer.content_type.encode(),
        len(answer.body),
        more,
        date,
        ending,
        b"" if bodiless else answer.body,
    )


ROWS, TABLE = 1, 2  # what a body may be, as far as headers say: JSON, or a stream of Arrow record batches
UNTYPED = 4  # without a content type a body is JSON
ANY = ROWS | TABLE | UNTYPED
_ARROW = ARROW.encode()


def bodies_of(content_type: bytes) -> int:
    """What a body of that type may be; nothing where it takes a closer look."""
    if content_type in PLAIN or is_plain(content_type):
        return ROWS
    return TABLE if content_type == _ARROW else 0


def welcome(accept: bytes) -> int:
    """The bodies whose answers, in kind, are certain to be welcome."""
    if accept == b"*/*":
        return ANY
    if accepts_json(accept):
        return ROWS | UNTYPED
    return TABLE | UNTYPED if accept == _ARROW else UNTYPED


def is_plain(content_type: bytes) -> bool:
    """Whether a type is JSON in UTF-8, however it is written."""
    kind, _, more = content_type.lower().replace(b" ", b"").partition(b";")
    return kind == b"application/json" and more in (b"", b"charset=utf-8", b'charset="utf-8"')


def accepts_json(value: bytes) -> bool:
    """Whether an answer in JSON is certain to be welcome."""
    return b"application/json" in value and b"ndjson" not in value and b"arrow" not in value
