"""Expectations of a pipeline: rows changed on purpose, and what must hold of the answers then."""

from __future__ import annotations

from typing import Literal

from noria.records.base import Record

Holds = Literal["invariant", "not lower", "not higher"]


class Expected(Record):
    """What an `@expect` function says."""

    name: str
    holds: Holds
    within: float = 0.0
    """By how much an answer may go beyond, in its own unit."""
    share: float = 1.0
    """Of the rows, that it must hold for."""
    answer: str | None = None
    """The answer's column; None: all of them."""
