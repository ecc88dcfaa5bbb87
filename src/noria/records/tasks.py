"""What a driver asks of a worker process, and what comes back; versioned frames on a pipe."""

from __future__ import annotations

from datetime import datetime

from noria.records.artifacts import Artifact
from noria.records.base import Digest, Json, Record
from noria.records.batches import InputFile, OnRefused, PartDone, Piece
from noria.records.cards import Exhibit
from noria.records.fast import FastPath
from noria.records.needs import Fault
from noria.records.runs import DataVersion
from noria.records.versions import AnswerKind, Quality, ServingGraph, Signature, Version

PROTOCOL = 4


class RunStep(Record, tag="run-step", kw_only=True):
    """Run one declared step and store its outputs."""

    pipeline: str
    step: str
    inputs: dict[str, Artifact]
    """Parameter name to what it reads."""
    rows: Artifact | None = None
    """The raw rows, where a column of theirs must be hidden or re-attached."""
    parameters: dict[str, Json] = {}
    as_of: datetime
    seed: int = 0
    spread: dict[str, int] = {}
    """Outputs that later steps read item by item, and how many lists deep: each item is stored on its own, under
    codec `list`."""
    item: tuple[int, ...] = ()
    """Which item of a fan-out this is, a number a level; empty outside of one."""
    run: str = ""
    """`delay/3`: where what it logs belongs."""
    fingerprint: Digest | None = None
    """What its checkpoints belong to; None: it keeps none."""
    watched: bool = False
    """In a rebuild: what the step reads is looked at before and after, so that one which changes it is found out."""


class StepDone(Record, tag="step-done"):
    outputs: dict[str, Artifact]
    seconds: float
    data: DataVersion | None = None
    notes: tuple[str, ...] = ()
    log: Digest | None = None
    series: Artifact | None = None
    """Table of what it logged: name, step, value, at."""
    card: tuple[Exhibit, ...] = ()


class Divide(Record, tag="divide"):
    """Cut a table into a list of tables, one for each combination of values in these columns, sorted by them."""

    pipeline: str
    name: str
    """The step that made the table."""
    table: Artifact
    by: tuple[str, ...]
    rows: Artifact | None = None
    """The raw rows, whose key, time, label and outcomes stand beside a transform's output."""


class Divided(Record, tag="divided"):
    parts: Artifact
    """Of codec `list`."""
    seconds: float = 0.0


class Sign(Record, tag="sign"):
    """Build a version's signature: request schema from the data, answer schema from a sample of answers."""

    graph: ServingGraph
    rows: Artifact
    seed: int = 0


class Signed(Record, tag="signed"):
    signature: Signature
    label_delay: float | None = None


class Quicken(Record, tag="quicken"):
    """Compile a serving graph's estimators, and hold what came of it against them."""

    graph: ServingGraph
    rows: Artifact
    keys: Artifact | None = None
    """The holdout, whose rows are compared first; None: rows of all."""


class Quickened(Record, tag="quickened"):
    fast: FastPath


class Answer(Record, tag="answer"):
    """Answer raw rows with a version's own serving graph."""

    graph: ServingGraph
    rows: Artifact
    """A data step's output."""
    keys: Artifact | None = None
    """A table with the key columns of the rows to answer; None: all of them."""
    seen: Artifact | None = None
    """Another version's data: rows whose key is in it are left out, unless `kept` has them."""
    kept: Artifact | None = None
    """That version's own holdout keys."""


class Answered(Record, tag="answered"):
    rows: Artifact
    """The raw rows that were answered, labels included."""
    answers: Artifact
    """Table, row by row beside them."""
    kind: AnswerKind
    left_out: int = 0
    """Rows of `keys` that were in `seen`."""


class Alter(Record, tag="alter"):
    """Change rows as one of the pipeline's expectations does."""

    pipeline: str
    expectation: str
    rows: Artifact
    """Raw rows; what nobody knows when the question is asked is hidden from it."""


class Altered(Record, tag="altered"):
    before: Artifact
    """Visible rows as they are, and"""
    after: Artifact
    """as they were changed, position by position."""
    changed: int
    """Rows in which anything differs."""


class Score(Record, tag="score"):
    """The loss of each answer, by this pipeline's own loss."""

    pipeline: str
    rows: Artifact
    """Table with the label's column; key and time are carried over."""
    answers: Artifact
    kind: AnswerKind


class Scored(Record, tag="scored"):
    quality: Quality


class Predict(Record, tag="predict", kw_only=True):
    """Answer a stretch of a file as the version's service would, and write it as one part."""

    version: Version
    input: str
    """The place of the file."""
    file: InputFile
    piece: Piece
    output: str
    """The place of the part."""
    columns: tuple[str, ...] = ()
    on_refused: OnRefused = "fail"
    batch_rows: int
    """Rows that are in memory at once."""


class Predicted(Record, tag="predicted"):
    part: PartDone


class Raised(Record, tag="raised"):
    """The user's code raised, or broke a rule; facts for the error that the driver raises."""

    code: str
    error: str
    """One line, then the traceback from the user's first frame on."""
    next: str = ""
    family: str = "StepFailed"
    """The family in `noria.errors` that the driver's error is of: who must act."""
    fault: Fault = "code"
    log: Digest | None = None


Task = RunStep | Divide | Sign | Quicken | Answer | Alter | Score | Predict
Done = StepDone | Divided | Signed | Quickened | Answered | Altered | Scored | Predicted


class Frame(Record, tag="frame", kw_only=True):
    """One message to a worker."""

    protocol: int = PROTOCOL
    task: Task
    memory: int | None = None
    """Bytes that the worker may take for it beyond what it has."""
    files: dict[str, Digest] = {}
    """The project's files that the task's code was read from, by their place from its root, for a tree that somebody may
    write to: a worker that has imported anything else of them refuses."""


class Reply(Record, tag="reply", kw_only=True):
    """One message from a worker."""

    protocol: int = PROTOCOL
    done: Done | Raised
