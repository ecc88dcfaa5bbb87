"""Messages on a pipe: a length (4 bytes, big-endian) and MessagePack."""

from __future__ import annotations

import os
import struct

HEAD = struct.Struct(">I")


def framed(body: bytes) -> bytes:
    """A message as it goes over the pipe."""
    return HEAD.pack(len(body)) + body


def unframed(got: bytearray) -> bytes | None:
    """Take the first message out of what has come; None while it is not complete."""
    if len(got) < HEAD.size:
        return None
    end = HEAD.size + HEAD.unpack_from(got)[0]
    if len(got) < end:
        return None
    body = bytes(got[HEAD.size : end])
    del got[:end]
    return body


def write_frame(descriptor: int, body: bytes) -> None:
    """Write a whole frame, blocking. Raises BrokenPipeError when nobody reads any more."""
    data = memoryview(framed(body))
    while data:
        data = data[os.write(descriptor, data) :]


def read_frame(descriptor: int) -> bytes | None:
    """The next frame, blocking; None at the end, or when the other side died in the middle of one."""
    head = _exactly(descriptor, HEAD.size)
    return _exactly(descriptor, HEAD.unpack(head)[0]) if head else None


def _exactly(descriptor: int, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(descriptor, min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)
