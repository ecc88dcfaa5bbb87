"""What production says of a version: predictions, feedback, matured blocks, alarms."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Json, Record


class NewFeedback(Record):
    """A label that arrived, for the prediction with this id or for the row with this key."""

    by: Literal["id", "key"]
    ref: str
    """The prediction's id, or the key (a composite one as canonical JSON array)."""
    label: Json
    known: datetime
    """When the label became known; the time of arrival unless the caller says."""
    correction: bool = False
    """True: replaces an earlier, different label for the same reference."""


class Feedback(Record):
    """A stored label; `seq` orders arrivals, gaps allowed."""

    seq: int
    model: str
    received: datetime
    what: NewFeedback


class Block(Record):
    """One matured unit of evidence: the champion's answers of one block of event time, with their labels."""

    model: str
    version: int
    start: datetime
    end: datetime
    predictions: int
    labelled: int
    """Predictions with a label; the rest is the label debt of this block."""
    loss: float | None = None
    """Mean loss; None when nothing was labelled."""
    clipped: int = 0


class Term(Record, kw_only=True):
    """Rows with a value of one column: a category, or numbers from `low` to under `high`."""

    column: str
    level: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def name(self) -> str:
        if self.level is not None:
            return f"{self.column}={self.level}"
        if self.low is None:
            return f"{self.column}<{self.high:g}"
        return (
            f"{self.column}>={self.low:g}"
            if self.high is None
            else f"{self.low:g}<={self.column}<{self.high:g}"
        )


class SegmentRisk(Record, kw_only=True):
    """One segment's risk under watch, as `RiskState` is the whole's."""

    terms: tuple[Term, ...]
    """All of which hold of a row."""
    declared: bool = False
    """Whether noria.toml names its column; else it was found."""
    bound: float
    threshold: float
    blocks: int = 0
    e_value: float = 1.0
    loss: float | None = None
    """Mean in the newest block that had rows enough."""
    evidence: dict[str, Json] = {}
    usual: float = 0.0
    """Its rows in the holdout's median block; 0 in states of old, to which no block is thin."""

    @property
    def name(self) -> str:
        return " & ".join(term.name for term in self.terms)


class RiskState(Record):
    """A monitor's memory of one version; `evidence` is the test's own state, exact to the last bit."""

    model: str
    version: int
    bound: float
    """Upper bound of the risk at training time plus tolerance, in the loss's unit."""
    threshold: float
    """The evidence at which the alarm is raised."""
    scored_until: datetime | None = None
    """End of the last scored block."""
    blocks: int = 0
    e_value: float = 0.0
    evidence: dict[str, Json] = {}
    assumption: str = ""
    """What the bound on false alarms rests on."""
    deaf: bool = False
    """True when the reference is too small for any loss to raise the alarm."""
    segments: tuple[SegmentRisk, ...] = ()
    usual: float = 0.0
    """Rows of the holdout's median block; 0 in states of old, to which no block is thin."""


Severity = Literal["warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("warning", "critical")
"""The least first."""


class Alarm(Record):
    """A sequential test crossed its threshold, or a block broke a limit that the project has set."""

    model: str
    version: int
    monitor: str
    raised: datetime
    block: datetime
    """Start of the block that crossed."""
    e_value: float
    threshold: float
    risk: float
    """Mean loss of the block that crossed."""
    bound: float
    why: str
    subject: str = ""
    """What it is about, where the monitor watches several things: a column, a segment, a signal of the service."""
    severity: Severity = "critical"
    cause: str = ""
    """What is suspected, in a sentence."""
    action: str = ""
    """What to do next, in a sentence with the command."""
    figures: dict[str, Json] = {}
    """The evidence beside `e_value` and `risk`, by name."""
    number: int = 1
    """Of the same cause on the same version: an alarm that was resolved may come back as another."""
    subjects: tuple[str, ...] = ()
    """All that it is about, where several things of one block have one cause; `subject` is then short for them."""

    @property
    def topic(self) -> str:
        """The cause: two alarms of one topic and version are the same alarm, told twice."""
        return f"{self.monitor}/{self.subject}" if self.subject else self.monitor

    @property
    def topics(self) -> tuple[str, ...]:
        """The causes that it stands for: while it stands, none of them is raised again."""
        return tuple(f"{self.monitor}/{one}" for one in self.subjects) or (self.topic,)

    @property
    def id(self) -> str:
        again = f"#{self.number}" if self.number > 1 else ""
        return f"{self.model}:{self.version}/{self.topic}{again}"


class Plan(Record, kw_only=True):
    """What the monitors of a version were given on its first day; a test that runs keeps its threshold."""

    model: str
    version: int
    begun: datetime
    false_alarm: float
    """The chance of any false alarm in the version's life."""
    shares: dict[str, float]
    """Of it, by family of monitors."""
    budget: float | None = None
    """`[alarms] false_alarm`, of which it is a part; None: the model has a share of its own."""
    beside: dict[str, float] = {}
    """What the other models' champions held of the budget."""
    waiting: int = 1
    """Models that had no part of it yet, this one among them."""
    block: str = ""
    """`block` of that day: references that were made of days say nothing of hours. Empty in plans of old."""

    @property
    def over(self) -> float:
        """What it and the others held over the budget, where that was lowered, or a rollback brought a part back."""
        spent = self.false_alarm + sum(self.beside.values())
        return 0.0 if self.budget is None else max(0.0, spent - self.budget)


class MonitorsBegun(Record, tag="monitors.begun"):
    """A version's first day under watch. Refused for a version that had it already."""

    plan: Plan
