"""What a long step keeps of its state, so that a killed one goes on from it."""

from __future__ import annotations

from noria.records.artifacts import Artifact
from noria.records.base import Record


class Segment(Record):
    """The first bytes of a file of points: what a step had logged by some moment."""

    path: str
    """On the machine that logged them: another one goes on without these points."""
    size: int


class Saved(Record, kw_only=True):
    """A step's newest checkpoint."""

    state: Artifact
    logged: tuple[Segment, ...] = ()
    """What was logged before it: the rest is logged anew by whoever goes on from here."""
