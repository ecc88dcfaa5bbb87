"""What a version was asked, block by block, before any label: the state of its data, and evidence of drift."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Digest, Json, Record


class ColumnSpec(Record, kw_only=True):
    """A column of the request as the training data had it."""

    name: str
    kind: Literal["number", "category"]
    missing: float = 0.0
    """Share of missing values in the training data."""
    worst: float = 0.0
    """The same in the worst of its blocks."""
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    levels: tuple[str, ...] | None = None
    """All categories; None where there are too many to list."""
    steady: dict[str, float] = {}
    """Categories that no block of the training data was without, with the smallest share that they had in one."""


class Baseline(Record, kw_only=True):
    """What a version's requests and answers are held against; fixed on its first day. Kept as an object."""

    columns: tuple[ColumnSpec, ...] = ()
    drift: dict[str, Json] | None = None
    """The reference of the features' test; None where there is none."""
    prediction: dict[str, Json] | None = None
    strata: dict[str, str] = {}
    """Of either test: what blocks must have in common to be compared. None: nothing."""
    why: tuple[str, ...] = ()
    """What is not watched, and why."""


class ColumnSeen(Record, kw_only=True):
    """One column in one block; shares of its rows."""

    missing: float = 0.0
    outside: float = 0.0
    """Of numbers: beyond what training had seen by more than the whole width of that."""
    unknown: float = 0.0
    """Categories that training had not seen."""
    mean: float | None = None


class Evidence(Record, kw_only=True):
    """One test after a block."""

    e_value: float
    peak: float
    """The highest so far: what alarms."""
    threshold: float
    moved: str = ""
    """What of the distribution moved most."""
    distance: float = 0.0
    """Between what training had and the recent blocks."""
    proved: float = 1.0
    """Evidence that the distance is over the tolerance; it takes both."""
    proof: float = 0.0
    """Its threshold; 0 without a tolerance."""

    @property
    def share(self) -> float:
        """How far it is on its way to the alarm, by the exponent: 1 at the alarm."""
        return min(self._ways)

    @property
    def lacks_proof(self) -> bool:
        """Whether the proof that it is beyond the tolerance has further to go than the evidence of a change."""
        evidence, proof = self._ways
        return proof < evidence

    @property
    def _ways(self) -> tuple[float, float]:
        from math import inf, log

        evidence = log(max(self.peak, 1.0)) / log(self.threshold)
        return evidence, log(max(self.proved, 1.0)) / log(self.proof) if self.proof > 1.0 else inf


class Sight(Record, kw_only=True):
    """One block of event time of what a version was asked and what it answered, looked at once."""

    model: str
    version: int
    start: datetime
    end: datetime
    rows: int
    beside: int = 0
    """Rows that canaries answered in its place."""
    cut: bool = False
    """Whether it became the champion, or ceased to be, within the block: half a block is no block to the tests of drift."""
    columns: dict[str, ColumnSeen] = {}
    drift: dict[str, Evidence] = {}
    """By feature."""
    prediction: dict[str, Evidence] = {}
    """By column of the answer."""
    answers: dict[str, float] = {}
    """Means of the answer's columns."""
    slow: float | None = None
    """Share of rows that took longer than `latency_ms`; None without that setting."""
    requests: int = 0
    """That were answered: each has a row at least."""
    unanswered: dict[str, int] = {}
    """Requests without an answer, by no fault of their callers, by the error's code."""
    asked_until: datetime | None = None
    """When the newest request that was counted came."""
    took_ms: float | None = None
    """Mean of what an answer took."""
    thin: int = 0
    """Blocks so far with too few rows for the tests of drift."""
    baseline: Digest
    memory: Digest
    """The tests' state after this block, exact to the last bit: an object."""
    cursor: dict[str, int] = {}
    """From where a reader finds every row of later blocks."""


class BlockSeen(Record, tag="block.seen"):
    """A block of requests was looked at, and the tests moved with it. Refused for a block that was looked at before."""

    sight: Sight
