"""The prediction log's own files: `MODEL/SEGMENT.rows`, each by one writer, never rewritten.

A segment begins with a header: magic, then length and bytes of a JSON object (`format`, `model`, `version`, `columns`:
how many of the values are the request's), then length and bytes of the Arrow schema of its rows. Frames follow, each of them
one request: length of its payload, kind, rows, number of its first row in the segment, CRC-32 of the payload. A payload is MessagePack, `[at, took, way, rows,
keys, answers]`, or an Arrow record batch, or, of a large request, MessagePack by column with its numbers as they lie in
memory: what costs least to write, and next to nothing to make a table of. An Arrow batch a request would be 5 kB and 85 us for one row; this is 0.4 kB and
3 us, and needs no Arrow in the process that answers. Where a sample is kept, a payload of `SOME` rows begins with their count
and their places in the request, and a frame of kind `NONE` only says that ids were given out. Other programs read the
Parquet files that segments become.
"""

from __future__ import annotations

import struct
import zlib

import msgspec

from noria.ports.serving import NONE, SOME

SUFFIX = ".rows"
MAGIC = b"NORIALOG"
FORMAT = 2  # of the header and of the frames; 1 were Arrow streams
END = 3  # kind of the frame that a writer closes a segment with; the others are the port's
FRAME = struct.Struct("<IBxxxIQI")  # payload's length, kind, rows, first row, CRC-32
LENGTH = struct.Struct("<I")
LARGEST = 1 << 30  # bytes of one frame; more is a torn length


class Header(msgspec.Struct, omit_defaults=True):
    """What a segment says of itself."""

    format: int
    model: str
    version: int
    request: int
    """How many of a row's values are the request's; the rest are the answer's."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One request in a segment. There are millions: made in a tenth of the time that a dataclass takes."""

    kind: int
    """The port's, without `SOME`."""
    rows: int
    """Ids that it gave out."""
    first: int
    payload: memoryview
    end: int
    """The byte after it."""
    places: tuple[int, ...] | None = None
    """Of a sample: which of its rows were kept."""


class Torn(Exception):
    """No whole frame follows: it is being written, or its writer was killed."""


def header(header: Header, schema: bytes) -> bytes:
    """The bytes that a segment begins with; `schema` as Arrow's IPC has it."""
    told = msgspec.json.encode(header)
    return b"".join((MAGIC, LENGTH.pack(len(told)), told, LENGTH.pack(len(schema)), schema))


def read_header(data: bytes | memoryview) -> tuple[Header, bytes, int]:
    """Header, schema and the byte after them. Raises `Torn`."""
    view = memoryview(data)
    if view[: len(MAGIC)] != MAGIC:
        raise Torn
    told, at = _sized(view, len(MAGIC))
    schema, at = _sized(view, at)
    return msgspec.json.decode(told, type=Header), bytes(schema), at


def frame(kind: int, rows: int, first: int, payload: bytes) -> bytes:
    return FRAME.pack(len(payload), kind, rows, first, zlib.crc32(payload)) + payload


def read_frame(data: memoryview, at: int) -> Frame:
    """The frame at a byte. Raises `Torn`."""
    if len(data) - at < FRAME.size:
        raise Torn
    length, kind, rows, first, check = FRAME.unpack_from(data, at)
    start, end = at + FRAME.size, at + FRAME.size + length
    if length > LARGEST or end > len(data):
        raise Torn
    payload = data[start:end]
    if zlib.crc32(payload) != check:
        raise Torn
    if kind == NONE:
        return Frame(kind, rows, first, payload, end, ())
    if not kind & SOME:
        return Frame(kind, rows, first, payload, end)
    places, payload = _chosen(payload)
    return Frame(kind & ~SOME, rows, first, payload, end, places)


def _chosen(payload: memoryview) -> tuple[tuple[int, ...], memoryview]:
    (count,) = LENGTH.unpack_from(payload, 0)
    end = LENGTH.size * (count + 1)
    return struct.unpack_from(f"<{count}I", payload, LENGTH.size), payload[end:]


def _sized(view: memoryview, at: int) -> tuple[memoryview, int]:
    if len(view) - at < LENGTH.size:
        raise Torn
    (length,) = LENGTH.unpack_from(view, at)
    start = at + LENGTH.size
    if len(view) - start < length:
        raise Torn
    return view[start : start + length], start + length
