"""Whether as many units may come as a verdict takes: a service of four hundred customers never sees a thousand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from noria.records.rollouts import Came, Observed, Standing

SURE = 3.0  # standard deviations by which new units must have become fewer: traffic that goes on as it did hardly looks so


def within_reach(standings: Sequence[Standing], seen: Observed) -> tuple[Standing, ...]:
    """The same, but no number of more units is promised where so many are not to be expected."""
    most = reach(seen)
    return tuple(
        msgspec.structs.replace(one, needed=None, scarce=True) if _taken(one, seen) > most else one
        for one in standings
    )


def reach(seen: Observed) -> float:
    """Units that the challenger may answer for in the step that holds, if new ones go on to become fewer; infinite where they
    do not."""
    share = seen.counted[-1].share if seen.counted else 0.0
    return (share or 1.0) * (seen.came.units + still_to_come(seen.came))  # of copies all


def still_to_come(came: Came) -> float:
    """New units, if each half as many requests again bring fewer by the ratio at which the later half of them brought fewer
    than the earlier; by the least steep ratio that both counts, as Poisson's, allow."""
    earlier, later = came.units - came.later + 0.5, came.later + 0.5
    ratio = later / earlier * math.exp(SURE * math.sqrt(1.0 / earlier + 1.0 / later))
    return later * ratio / (1.0 - ratio) if ratio < 1.0 else math.inf


def _taken(one: Standing, seen: Observed) -> float:
    """How many of the challenger's units a verdict takes in all, as far as it is told; 0 where it takes none more."""
    if one.measure != "loss":
        return one.units[0] + one.needed if one.needed else 0.0
    if not one.lacks_units or one.apart is None or one.estimate is None:
        return 0.0
    gap = abs(one.estimate - one.limit)  # what the draw of units does falls with the root of their number
    return seen.challenger.units * (one.apart / gap) ** 2 if gap else math.inf
