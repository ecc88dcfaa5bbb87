"""Bodies that come compressed (RFC 9110, 8.4.1): unpacked piece by piece, so that a limit on bytes limits memory."""

from __future__ import annotations

import zlib

from noria.serving.errors import BadPacking

ENCODINGS = frozenset((b"gzip", b"x-gzip", b"deflate"))
_EITHER = 32 + zlib.MAX_WBITS  # zlib tells gzip's head from its own, which `deflate` means


class Unpacking:
    """One body on its way."""

    def __init__(self, encoding: bytes, most: int) -> None:
        """`most`: bytes that it may have, unpacked."""
        self._encoding = encoding.decode()
        self._left = most
        self._any = False
        self._stream = zlib.decompressobj(_EITHER)

    def feed(self, packed: bytes) -> bytes:
        """What these bytes hold, and no more than one byte beyond the limit, however small they were. Raises `BadPacking`."""
        self._any = True
        try:
            plain = self._stream.decompress(packed, self._left + 1)
        except zlib.error as error:
            raise BadPacking(encoding=self._encoding, problem=str(error)) from error
        if self._stream.unused_data:
            raise BadPacking(encoding=self._encoding, problem="more follows its end")
        self._left -= len(plain)
        return plain

    def end(self) -> None:
        """Raises `BadPacking` where the last of it is missing; no body at all is an empty one."""
        if self._any and not self._stream.eof:
            raise BadPacking(encoding=self._encoding, problem="its end is missing")
