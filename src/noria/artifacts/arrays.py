"""numpy arrays as .npy files: mapped read-only, never pickled."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.kinds import kind_of
from noria.records.artifacts import Artifact
from noria.records.base import Digest

SMALL = 1 << 16  # bytes; reading so little costs less than mapping it, and holds no file


class ArrayCodec:
    """An array's bytes in its own order (C or Fortran), behind numpy's header.

    Refuses objects (numpy would pickle them) and masked arrays (the mask would be lost).
    """

    name = "npy"
    version = 1

    def fits(self, value: object) -> bool:
        return kind_of(value) in ("numpy.ndarray", "numpy.MaskedArray")

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        array = _storable(value)
        with shelf.store.writer() as sink:
            sink.write(_header(array))
            if array.size:
                sink.write(_content(array))
        return Artifact(digest=sink.digest, codec=spelled(self), size=sink.size, type="numpy.ndarray")

    def load(self, artifact: Artifact, shelf: Shelf) -> Any:
        """The array, read-only: others read the same file."""
        import numpy as np

        if artifact.size > SMALL:
            mapped = np.load(shelf.store.path(artifact.digest), mmap_mode="r", allow_pickle=False)
            return mapped.view(np.ndarray)
        array = np.load(io.BytesIO(shelf.store.get(artifact.digest)), allow_pickle=False)
        array.flags.writeable = False
        return array

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


def without_gaps(array: Any) -> Any:
    """A structured array whose padding bytes, which are whatever the memory held, are zero."""
    import numpy as np

    if array.dtype.names is None:
        return array
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = without_gaps(array[name])
    return clean


def _storable(value: Any) -> Any:
    import numpy as np

    named = f"numpy.{type(value).__name__}"
    if isinstance(value, np.ma.MaskedArray):
        raise CannotStore(type=named, reason="its mask has no place in an array file: fill it", where="")
    if value.dtype.hasobject:
        reason = "numpy could only pickle its objects: convert them to numbers or text, or return a list or a table"
        raise CannotStore(type=f"{named} of dtype {value.dtype}", reason=reason, where="")
    return without_gaps(np.asarray(value))


def _header(array: Any) -> bytes:
    import numpy as np

    facts = np.lib.format.header_data_from_array_1_0(
        array if _contiguous(array) else np.empty(0, array.dtype)
    )
    facts["shape"] = array.shape
    header = io.BytesIO()
    try:
        np.lib.format.write_array_header_1_0(header, facts)
    except (UnicodeEncodeError, ValueError):  # field names beyond Latin-1, or too many for the first version
        return _later_header(array, facts)
    return header.getvalue()


def _later_header(array: Any, facts: dict[str, Any]) -> bytes:
    """numpy writes version 3 only with an array: with one that has no rows, whose shape is then put right."""
    import numpy as np

    written = io.BytesIO()
    np.lib.format.write_array(written, np.empty(0, array.dtype), version=(3, 0))
    text = written.getvalue()[12:].decode().rstrip()  # behind magic, version and length
    empty = "'fortran_order': False, 'shape': (0,), }"
    true = f"'fortran_order': {facts['fortran_order']}, 'shape': {facts['shape']}, }}"
    line = text.replace(empty, true).encode()
    line += b" " * (-(12 + len(line) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x03\x00" + len(line).to_bytes(4, "little") + line


def _content(array: Any) -> memoryview:
    """The bytes as they lie in memory; copied only where the array is a view with gaps."""
    import numpy as np

    if not array.flags.c_contiguous:
        array = array.T if array.flags.f_contiguous else np.ascontiguousarray(array)
    return memoryview(array.reshape(-1).view(np.uint8))


def _contiguous(array: Any) -> bool:
    return bool(array.flags.c_contiguous or array.flags.f_contiguous)
