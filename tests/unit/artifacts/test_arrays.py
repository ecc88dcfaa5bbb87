"""numpy arrays: every type but objects, in their own order, mapped and read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from noria.artifacts import Artifacts, CannotStore

ALIGNED = np.dtype([("a", "i1"), ("b", "f8"), ("inner", [("c", "i2"), ("d", "i8")])], align=True)
ARRAYS = {
    "floats": np.linspace(0, 1, 12).reshape(3, 4),
    "Fortran order": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "every third": np.arange(100)[::3],
    "backwards": np.arange(10)[::-1],
    "one number": np.array(5),
    "nothing": np.zeros((0, 3)),
    "text": np.array(["a", "bcd"]),
    "times": np.array(["2020-01-01", "NaT"], dtype="M8[D]"),
    "complex": np.array([1 + 2j]),
    "flags": np.array([True, False]),
    "big endian": np.arange(3, dtype=">i4"),
    "structured": np.zeros(3, ALIGNED),
    "large": np.arange(100_000.0).reshape(100, 1000),
    "large Fortran": np.asfortranarray(np.arange(100_000.0).reshape(100, 1000)),
    "large, a view with gaps": np.arange(200_000.0)[::2],
    "nan": np.array([np.nan, -np.inf]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_as_it_was_and_read_only(artifacts: Artifacts, name: str) -> None:
    array = ARRAYS[name]
    back = artifacts.load(artifacts.save(array))
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert back.flags.f_contiguous == array.flags.f_contiguous or not array.flags.forc
    with pytest.raises(ValueError, match="read-only"):
        back[...] = 0


def test_padding_is_not_in_the_digest(artifacts: Artifacts) -> None:
    dirty = np.frombuffer(b"\xff" * ALIGNED.itemsize * 2, dtype=ALIGNED).copy()
    clean = np.zeros(2, ALIGNED)
    for array in (dirty, clean):
        array["a"], array["b"] = 1, 2.0
        array["inner"]["c"], array["inner"]["d"] = 3, 4
    assert artifacts.save(dirty).digest == artifacts.save(clean).digest


def test_a_large_array_is_mapped_and_not_read(artifacts: Artifacts) -> None:
    back = artifacts.load(artifacts.save(ARRAYS["large"]))
    assert isinstance(back.base, np.memmap)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([{}]), "dtype object"),
        (np.array([(1, "x")], dtype=[("n", "i4"), ("o", "O")]), "could only pickle"),
        (np.ma.array([1, 2], mask=[True, False]), "its mask has no place"),
        (np.array(["a"], dtype=np.dtypes.StringDType()), "dtype StringDType"),
    ],
)
def test_what_numpy_would_pickle_or_lose_is_refused(artifacts: Artifacts, array: Any, says: str) -> None:
    with pytest.raises(CannotStore, match=says):
        artifacts.save(array)
