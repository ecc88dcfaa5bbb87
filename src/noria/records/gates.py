"""Gates: rules that a candidate must pass, and their verdicts with the evidence."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Digest, Json, Record

ANCHOR = (
    "anchor"  # whom a candidate is also compared with: the last version that a person promoted, or the first
)

Outcome = Literal["pass", "fail", "undecided"]


class Threshold(Record, tag="threshold"):
    """A metric of the run against a fixed bound."""

    metric: str
    at_least: float | None = None
    at_most: float | None = None


class NoWorse(Record, tag="no_worse_than"):
    """The loss of the same raw rows against another version's, within a margin in the loss's own unit."""

    metric: str
    than: str = "champion"
    """An alias, or a version: `delay:3`."""
    margin: float = 0.0
    alpha: float = 0.05
    """The chance, at most, that a candidate worse than the margin passes."""
    segments: tuple[str, ...] = ()
    """Columns of the raw rows: the same is asked of each of their values."""
    anchor: bool = True
    """Of a comparison with the champion: whether the anchor is met as well, so that margins do not add up."""
    anchor_margin: float | None = None
    """None: `margin`."""


class Better(Record, tag="better_than"):
    """The loss of the same raw rows is less than another version's by more than `by`, in the loss's own unit."""

    metric: str
    than: str = "champion"
    by: float = 0.0
    alpha: float = 0.05
    segments: tuple[str, ...] = ()


class Reproducible(Record, tag="reproducible"):
    """A rebuild of the candidate from its record alone, before it is registered."""

    least: Literal["bit", "tolerance"] = "bit"
    """`bit`: every artifact has the same bytes; `tolerance`: metrics and answers on the holdout are as near as
    `noria reproduce` asks."""


class Calibration(Record, tag="calibration"):
    """Answers that are probabilities, held to what happened: the expected calibration error."""

    at_most: float
    alpha: float = 0.05


Measure = Literal["latency_p50_ms", "latency_p99_ms", "memory_mb", "size_mb"]


class Cost(Record, tag="cost"):
    """What the served version takes: measured with one real worker, or the size of its artifacts."""

    measure: Measure
    at_most: float


class Schema(Record, tag="schema"):
    """Whether callers of the champion can go on asking the candidate as they do."""

    least: Literal["compatible", "same", "off"] = "compatible"
    served: bool = False
    """True: asked only while a service answers with the champion, as it is where nothing is said in noria.toml."""


class Robustness(Record, tag="robustness"):
    """By how much the loss rises when inputs are perturbed."""

    at_most: float
    """In the loss's own unit."""
    noise: float = 0.0
    """Standard deviation of what is added to each number, as a share of the column's own."""
    missing: float = 0.0
    """The share of values that become null."""
    alpha: float = 0.05


class Expectation(Record, tag="expectation"):
    """What the pipeline's `@expect` functions say must hold; one verdict a function."""

    off: bool = False


class Approved(Record, tag="approval"):
    """A person's word."""


Comparing = NoWorse | Better
Gate = (
    Threshold
    | NoWorse
    | Better
    | Reproducible
    | Calibration
    | Cost
    | Schema
    | Robustness
    | Expectation
    | Approved
)


class Verdict(Record):
    """One gate's answer; `why` is one sentence with the figures."""

    gate: str
    outcome: Outcome
    why: str
    evidence: dict[str, Json] = {}


class Judgement(Record):
    """All gates on one candidate, against one champion, at one time."""

    model: str
    version: int
    champion: int | None
    judged: datetime
    verdicts: tuple[Verdict, ...]
    anchor: int | None = None
    """The anchor that it was compared with; None where that was the champion, or nobody asked."""
    data: Digest | None = None
    """The rows that it was judged on, where they are others than the version's own; None: its own holdout."""
    cause: Literal["run", "asked", "approval"] = "run"
    asked: Digest | None = None
    """Of what noria.toml asked for then; None: not by noria.toml, or by a Noria that did not keep it."""

    @property
    def passed(self) -> bool:
        return all(verdict.outcome == "pass" for verdict in self.verdicts)


class Approval(Record):
    """A person's word on a version."""

    model: str
    version: int
    granted: bool
    by: str
    why: str
    at: datetime
