"""The text of HTTP/1.1: which headers decide how a request is read, and how an answer is written."""

from __future__ import annotations

from noria.serving.messages import Response

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


def is_plain(content_type: bytes) -> bool:
    """Whether a type is JSON in UTF-8, however it is written."""
    kind, _, more = content_type.lower().replace(b" ", b"").partition(b";")
    return kind == b"application/json" and more in (b"", b"charset=utf-8", b'charset="utf-8"')


def accepts_json(value: bytes) -> bool:
    """Whether an answer in JSON is certain to be welcome."""
    return b"application/json" in value and b"ndjson" not in value and b"arrow" not in value
