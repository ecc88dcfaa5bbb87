"""What a state is stored as: arrays as text and back, to the last bit, and names as numbers."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Packed = dict[str, Any]


def pack(array: NDArray[Any]) -> Packed:
    """JSON-able: the type and shape of `array`, and its bytes (little-endian, deflated, in base64)."""
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    text = b64encode(zlib.compress(little.tobytes(), 6)).decode()
    return {"dtype": little.dtype.str, "shape": list(array.shape), "data": text}


def unpack(fields: Mapping[str, Any]) -> NDArray[Any]:
    """The array that `pack` wrote. KeyError or ValueError for anything else."""
    try:
        data = zlib.decompress(b64decode(fields["data"], validate=True))
    except zlib.error as e:
        raise ValueError(f"packed array: its bytes cannot be read ({e})") from e
    stored = np.frombuffer(data, np.dtype(fields["dtype"])).reshape(fields["shape"])
    return stored.astype(stored.dtype.newbyteorder("="))


def hashes_of(names: Iterable[str], key: bytes) -> NDArray[np.uint64]:
    """A keyed hash of each name: (n,)."""
    joined = b"".join(blake2b(name.encode(), digest_size=8, key=key).digest() for name in names)
    return np.frombuffer(joined, "<u8").astype(np.uint64)
