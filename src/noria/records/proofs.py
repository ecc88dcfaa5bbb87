"""Whether a version could be rebuilt, and what was removed of the past."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.base import Digest, Record
from noria.records.sources import Environment, Machine

Sameness = Literal["bit", "tolerance", "different"]
"""Bit-identical; equal within tolerance (metrics, answers on the holdout); different."""

Cause = Literal[
    "code",
    "data",
    "environment",
    "hardware",
    "threads",
    "hash seed",
    "unseeded",
    "clock",
    "mutated input",
    "unknown",
]


class Compared(Record, kw_only=True):
    """One output of one step, beside the recorded one."""

    step: str
    output: str
    recorded: Digest
    rebuilt: Digest
    same: Sameness
    how: str = ""
    """Where they are not bit-identical: what differs and by how much."""


class Proof(Record, kw_only=True):
    """A version rebuilt from its record alone: evidence, never a change of the version."""

    model: str
    version: int
    at: datetime
    same: Sameness
    compared: tuple[Compared, ...]
    diverged: str | None = None
    """The first step whose result is another; None when all are bit-identical."""
    causes: tuple[Cause, ...] = ()
    """What made the difference, as far as re-running that step twice could tell."""
    why: str = ""
    """One sentence: what was tried, what it showed, and what it could not tell."""
    tolerance: float = 0.0
    """Relative, of metrics and answers."""
    environment: Environment
    machine: Machine
    seconds: float = 0.0


class Collected(Record, kw_only=True):
    """One sweep of `noria gc`, as it was decided: it stands before the first object goes."""

    runs: int
    """Runs whose artifacts were given up."""
    objects: int
    """That nobody else needs; what something still relied on goes with a later sweep."""
    size: int
    """Their bytes."""
    policy: str
    """What was kept, in a reader's words."""
    given_up: tuple[tuple[int, int], ...] = ()
    """The numbers of those runs, as spans: the first and the last of each."""
    versions: tuple[int, ...] = ()
    """What those runs had made."""
