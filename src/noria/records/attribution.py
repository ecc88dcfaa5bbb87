"""What a change of a version's loss is made of: another mix of rows, another loss of like rows, and what no feature explains."""

from __future__ import annotations

from noria.records.base import Record


class Interval(Record):
    """A part of the change, in the loss's unit."""

    value: float
    lower: float
    upper: float


class MixShift(Record, kw_only=True):
    """The change as one feature divides it; the two add up to it."""

    feature: str
    mix: Interval
    """There are more rows of some of its values, and fewer of others."""
    within: Interval
    """Rows of the same value have another loss."""
    share: Interval | None = None
    """Of what the suspects explain together; None: its mix is within chance."""


class WorseSegment(Record, kw_only=True):
    """Rows of one value whose loss has changed more than that of the others, beyond chance."""

    segment: str
    rows: tuple[float, float]
    """Share of all, before and after."""
    losses: tuple[float, float]
    within: Interval
    """What its loss adds to the change."""


class Attribution(Record, kw_only=True):
    """Labelled rows of the newest blocks beside those of the holdout. It describes; it proves no cause."""

    losses: tuple[float, float] | None = None
    """Means over blocks, before and after; None: see `why`."""
    change: Interval | None = None
    unexplained: Interval | None = None
    """What the mix of the suspects leaves."""
    mix: tuple[MixShift, ...] = ()
    """By feature, the largest first."""
    segments: tuple[WorseSegment, ...] = ()
    """The largest part first; they may overlap."""
    blocks: tuple[int, int] = (0, 0)
    why: str = ""
    """Why there is none."""
