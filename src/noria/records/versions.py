"""Versions: the frozen artifacts, the serving graph and the signature that a run produced."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from noria.records.artifacts import Artifact, Column
from noria.records.base import Digest, Json, Record
from noria.records.fast import FastPath
from noria.records.runs import DataVersion
from noria.records.sources import Environment, Source

AnswerKind = Literal["array", "matrix", "frame"]
"""The form in which predict answers, and in which a loss gets the answers back."""


class RequestColumn(Record):
    """One column of the request, as the training data had it."""

    name: str
    type: str
    """Arrow's name of the type."""
    nulls: bool = False
    """Whether the training data had nulls here."""
    levels: tuple[str, ...] | None = None
    """The categories seen in training; None for a column that is not categorical."""


class Signature(Record, kw_only=True):
    """What a version takes and gives."""

    request: tuple[RequestColumn, ...]
    key: tuple[str, ...] = ()
    time: str | None = None
    unit: str | None = None
    unknown: Literal["accept", "refuse"] = "accept"
    answer: tuple[Column, ...]
    """One column named `answer`, or one a class, or the frame's own."""
    answer_kind: AnswerKind = "array"


class ServingGraph(Record):
    """How a raw row becomes an answer: transforms in order, then `predict`; all else is frozen."""

    pipeline: str
    """`module:name` inside the version's source tree."""
    data: str
    """The data step whose rows are the request."""
    transforms: tuple[str, ...]
    predict: str
    frozen: dict[str, Artifact]
    code: Digest | None = None
    """Of all that the pipeline's functions reach: two graphs with one code and the same frozen outputs answer alike."""
    parameters: dict[str, dict[str, Json]] = {}
    """Hyperparameters of the transforms and of predict, as the run had them."""


class Quality(Record):
    """The loss of a version on some rows."""

    loss: str
    range: tuple[float, float]
    mean: float
    rows: int
    clipped: int = 0
    losses: Artifact | None = None
    """Table of key, time and loss, a row each: what gates pair and monitors take their reference from."""


class Version(Record):
    """`delay:12`."""

    model: str
    number: int
    run: int
    created: datetime
    as_of: datetime
    graph: ServingGraph
    signature: Signature
    source: Source
    environment: Environment
    data: DataVersion
    rows: Artifact
    """The data step's output: which rows this version has seen."""
    holdout: Artifact | None = None
    """Table of the keys (and times) it was not trained on; None for a pipeline without a loss."""
    label: str | None = None
    """The label's column in the data."""
    metrics: dict[str, float] = {}
    quality: Quality | None = None
    fast: FastPath | None = None
    """How it is served without the libraries that trained it; None: nobody has looked."""
    label_delay: float | None = None
    """Seconds from event to label, 99th percentile in the training data; None without `known`."""

    @property
    def name(self) -> str:
        return f"{self.model}:{self.number}"

    @property
    def code(self) -> Digest:
        return self.source.tree
