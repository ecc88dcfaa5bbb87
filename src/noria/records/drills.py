"""Gate drills: known-bad candidates that were planted, and which gates caught them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Record

Caught = Literal["caught", "held back", "missed", "not planted"]


class Plant(Record):
    """One candidate with a known fault."""

    name: str
    """`label shuffle`"""
    what: str
    """What was done to it, with the columns."""
    caught: Caught
    """`caught`: something failed it; `held back`: a gate could not decide that decides the candidate without the fault."""
    by: tuple[str, ...] = ()
    """The gates, data checks or steps that did."""
    why: str = ""
    """The first one's sentence; or why it could not be planted."""
    seconds: float = 0.0


class Drill(Record):
    """All of them, out of one run, judged by one policy."""

    model: str
    run: int
    at: datetime
    champion: int | None
    """Whom they were compared with."""
    control: Literal["pass", "fail", "undecided"]
    """What the same gates said of the candidate without a fault."""
    why: str = ""
    """Where the control did not pass: what each such gate and data check said."""
    gates: tuple[str, ...] = ()
    """Those that were asked; drills of old do not say."""
    plants: tuple[Plant, ...] = ()
    left_out: tuple[str, ...] = ()
    """Gates that a drill does not ask: they need a person, or a record to rebuild from."""

    @property
    def planted(self) -> int:
        return sum(plant.caught != "not planted" for plant in self.plants)

    @property
    def killed(self) -> int:
        return sum(plant.caught == "caught" for plant in self.plants)

    @property
    def rate(self) -> float | None:
        """The share of planted candidates that were caught; None where none could be planted."""
        return self.killed / self.planted if self.planted else None
