"""The fast path of a version: which estimators have a compiled form, and how a request reaches one directly."""

from __future__ import annotations

from typing import Literal

from noria.records.artifacts import Artifact
from noria.records.base import Record

Level = Literal["direct", "inside", "original"]
"""`direct`: a request's values go to the compiled model; `inside`: predict runs as it is, and what it calls is compiled;
`original`: the frozen outputs answer as the libraries made them."""


class Plan(Record, kw_only=True):
    """What predict does, where that is one call of one method of one frozen estimator."""

    table: str
    """The one table that predict reads: the request's own rows, or a transform's output."""
    estimator: str
    """The frozen output that predict calls."""
    columns: tuple[str, ...]
    """Columns of the table, in the order of the compiled model's inputs."""
    method: str
    column: int | None = None
    """The column of the method's answer that is predict's; None: all of it."""


class FastPath(Record, kw_only=True):
    """How fast a version is served, and what was compared to know that its answers stay the same."""

    level: Level
    compiled: dict[str, Artifact] = {}
    """Of each frozen estimator that has one, its compiled document."""
    plan: Plan | None = None
    rows: tuple[str, ...] = ()
    """Transforms whose row function was held equal to them, and stands in their place for a single row."""
    libraries: tuple[str, ...] = ()
    compared: int = 0
    """Rows on which the compiled models answered as the originals."""
    tolerance: float = 0.0
    """What they were held to; 0: bit for bit."""
    why: str = ""
    """Why it is no faster, in one sentence."""
