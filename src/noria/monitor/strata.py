"""What must be alike for two blocks to be comparable: their hour, their day of the week, or both.

A block has one stratum, by the UTC time at which it begins: its rows may depend on each other in any way, so parts of a block are no
units of their own. What only some rows have in common (an airport, a customer) is a segment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from noria.monitor.blocks import MICROSECOND

if TYPE_CHECKING:
    import numpy as np

AUTO, NONE = "auto", "none"
ENOUGH = 14  # blocks of the training data in each stratum: with fewer a change takes weeks to be proved


class Rhythm(NamedTuple):
    """A time that comes again and again, and its parts."""

    period: timedelta
    part: timedelta


RHYTHMS = {
    "hour of week": Rhythm(timedelta(weeks=1), timedelta(hours=1)),
    "hour": Rhythm(timedelta(days=1), timedelta(hours=1)),
    "weekday": Rhythm(timedelta(weeks=1), timedelta(days=1)),
}
BY_ITSELF = (
    "hour of week",
    "hour",
)  # in this order; days of the week are compared with each other unless it is said


def sees(strata: str, width: timedelta) -> bool:
    """Whether blocks of a width begin in more than one stratum, and end in the one where they begin."""
    rhythm = RHYTHMS[strata]
    return width <= rhythm.part or (width < rhythm.period and rhythm.period % width == timedelta(0))


def strata_of(strata: str, blocks: np.ndarray, width: timedelta) -> np.ndarray | None:
    """The stratum of each block, by its number since a Monday; None where all are alike."""
    return None if strata == NONE else _places(RHYTHMS[strata], blocks, width)


def chosen(wanted: str, blocks: np.ndarray, width: timedelta) -> str:
    """The strata that a reference with a row in each of `blocks` bears, where it is left to Noria."""
    import numpy as np

    if wanted != AUTO:
        return wanted
    known = np.unique(blocks)
    for strata in BY_ITSELF if known.size and width < timedelta(days=1) else ():
        _, sizes = np.unique(_places(RHYTHMS[strata], known, width), return_counts=True)
        if sizes.min() >= ENOUGH:
            return strata
    return NONE


def _places(rhythm: Rhythm, blocks: np.ndarray, width: timedelta) -> np.ndarray:
    begins = blocks * (width // MICROSECOND) % (rhythm.period // MICROSECOND)
    return begins // (rhythm.part // MICROSECOND)
