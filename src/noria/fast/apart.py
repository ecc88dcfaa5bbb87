"""Keeping out what a process never asks for.

pyarrow imports pandas, where it is installed, with the first array that it makes of Python's values or gives to numpy: to
know a Series when it sees one. That is half a second and 40 MB in a process that has no Series.
"""

from __future__ import annotations

import sys


class _Absent:
    """A finder by which pandas is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("this process has no use for pandas", name=name)
        return None


_absent = _Absent()


def without_pandas() -> None:
    """From now on pandas cannot be imported here. For processes that run no code of a user's."""
    if _absent not in sys.meta_path:
        sys.meta_path.insert(0, _absent)


def with_pandas() -> None:
    """Undo `without_pandas`, as long as pyarrow has made no array."""
    if _absent in sys.meta_path:
        sys.meta_path.remove(_absent)
