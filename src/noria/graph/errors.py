"""What a user's pipeline can do wrong when its graph runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import ConfigError, Conflict, StepFailed


@dataclass(eq=False)
class CannotImport(ConfigError):
    code: ClassVar[str] = "PIPELINE-IMPORT"
    what: ClassVar[str] = "{entry} cannot be imported from {root}\n{problem}"
    next: ClassVar[str] = 'mend the line above, or `pipeline = "module:name"` in noria.toml'
    entry: str
    root: str
    problem: str


@dataclass(eq=False)
class SourceChanged(Conflict):
    """No `StepFailed`: it says nothing of the step, so no gate may take it for an answer."""

    code: ClassVar[str] = "SOURCE-CHANGED"
    what: ClassVar[str] = (
        "{files} {were} changed after this run had begun: what is imported now is other code than the run records"
    )
    next: ClassVar[str] = "run again: what has finished is kept"
    files: Sequence[str]

    def facts(self) -> dict[str, object]:
        return {**super().facts(), "were": "was" if len(self.files) == 1 else "were"}


@dataclass(eq=False)
class MissingColumns(ConfigError):
    code: ClassVar[str] = "DATA-COLUMNS"
    what: ClassVar[str] = "{where} has no column {missing}, which {why}; it has {present}"
    next: ClassVar[str] = "make the column, or change what names it"
    where: str
    missing: Sequence[str]
    why: str
    present: Sequence[str]


@dataclass(eq=False)
class RowsChanged(StepFailed):
    code: ClassVar[str] = "TRANSFORM-ROWS"
    what: ClassVar[str] = "transform {step} got {given} rows and gave {made}"
    next: ClassVar[str] = "keep one row out for each row in; filter and join in a @step or in the data step"
    step: str
    given: int
    made: int


@dataclass(eq=False)
class NotATable(StepFailed):
    code: ClassVar[str] = "TRANSFORM-TYPE"
    what: ClassVar[str] = "{step} gave a {type}, and a table is needed"
    next: ClassVar[str] = "return a polars or pandas DataFrame, or a pyarrow Table"
    step: str
    type: str


@dataclass(eq=False)
class BadAnswer(StepFailed):
    code: ClassVar[str] = "PREDICT-ANSWER"
    what: ClassVar[str] = "predict {step} {problem}"
    next: ClassVar[str] = (
        "return (n,), (n, k), a dict of (n,) arrays or a frame with a row for each row asked"
    )
    step: str
    problem: str


@dataclass(eq=False)
class AllSeen(StepFailed):
    code: ClassVar[str] = "PREDICT-SEEN"
    what: ClassVar[str] = "it was trained on all {count} rows that are asked"
    next: ClassVar[str] = "wait for newer rows, or let the data step read later ones"
    count: int


@dataclass(eq=False)
class BadLoss(StepFailed):
    code: ClassVar[str] = "LOSS-VALUE"
    what: ClassVar[str] = "loss {step} {problem}"
    next: ClassVar[str] = "return one finite number for each label"
    step: str
    problem: str
