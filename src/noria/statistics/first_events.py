"""Units instead of requests: of a unit's events only the first one counts.

Ten errors of one failing user are one misfortune, and a test that takes them for ten rings on two versions that fail alike
(`rates`). What must be remembered is which units have had their event: eight bytes each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from noria.statistics.exact import hashes_of

Units = NDArray[np.uint64]
"""Hashes of units already counted, ascending."""

NO_UNITS: Units = np.zeros(0, np.uint64)
_KEY = b"noria units"


def first_events(units: Sequence[str], counted: Units) -> tuple[NDArray[np.bool_], Units]:
    """Which events (n,), given the unit of each in order of time, are their unit's first; and all units counted by then.

    Two units in 2^64 share a number: of a million units one is lost with probability 3e-8.
    """
    hashes = hashes_of(units, _KEY)
    names, first = np.unique(hashes, return_index=True)
    new = ~np.isin(names, counted, assume_unique=True)
    found = np.zeros(hashes.size, np.bool_)
    found[first[new]] = True
    return found, np.union1d(counted, names)
