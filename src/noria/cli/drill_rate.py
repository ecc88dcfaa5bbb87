"""A drill's rate in one line, for whoever lists gates."""

from __future__ import annotations

from noria.cli.render import count
from noria.records.drills import Drill


def rate_line(drill: Drill) -> str:
    """`7 of 8 planted candidates caught, 1 held back (88 %)`"""
    held = sum(each.caught == "held back" for each in drill.plants)
    rate = f" ({drill.rate:.0%})" if drill.rate is not None else ""
    beside = f", {held} held back" if held else ""
    return f"{drill.killed} of {count(drill.planted, 'planted candidate')} caught{beside}{rate}"
