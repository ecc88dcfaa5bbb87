"""A search for hyperparameters: what may be tried, and what came of it."""

from __future__ import annotations

from typing import Literal

from noria.records.base import Json, Record


class Range(Record, tag="range", kw_only=True):
    """Numbers from `low` to `high`, both included; whole ones where both are."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


class Choice(Record, tag="choice"):
    """One of some values."""

    values: tuple[Json, ...]


Space = dict[str, Range | Choice]
"""`step.parameter` to what may be tried."""


class Trial(Record, kw_only=True):
    """One run of a search."""

    number: int
    run: str
    """`delay/17`."""
    state: Literal["complete", "pruned", "failed", "interrupted", "running"]
    """`interrupted`: broken off by a person or a kill; its values are tried again under another number."""
    value: float | None = None
    parameters: dict[str, Json]
    why: str = ""
    """Of one that failed."""


class Tuned(Record, kw_only=True):
    """A search so far."""

    model: str
    study: str
    metric: str
    direction: Literal["minimize", "maximize"]
    trials: tuple[Trial, ...]
    best: Trial | None = None
    notes: tuple[str, ...] = ()
    """What whoever asked should know of the search as a whole."""
