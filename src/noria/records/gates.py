"""Gates: rules that a candidate must pass, and their verdicts with the evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Json, Record


class Threshold(Record, tag="threshold"):
    """A metric of the run against a fixed bound."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None


class NoWorse(Record, tag="no_worse_than"):
    """The loss of the same raw rows against another version's, within a margin in the loss's own unit."""

    metric: str
    than: str = "champion"
    margin: float = 0.0
    alpha: float = 0.05
    """The chance, at most, that a candidate worse than the margin passes."""


class Reproducible(Record, tag="reproducible"):
    """A rebuild of the candidate from its record alone, before it is registered."""

    least: Literal["bit", "tolerance"] = "bit"
    """`bit`: every artifact has the same bytes; `tolerance`: metrics and answers on the holdout are as near as
    `noria reproduce` asks."""


Gate = Threshold | NoWorse | Reproducible


class Verdict(Record):
    """One gate's answer; `why` is one sentence with the figures."""

    gate: str
    outcome: Literal["pass", "fail", "undecided"]
    why: str
    evidence: dict[str, Json] = {}


class Judgement(Record):
    """All gates on one candidate, against one champion, at one time."""

    model: str
    version: int
    champion: int | None
    judged: datetime
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        return all(verdict.outcome == "pass" for verdict in self.verdicts)
