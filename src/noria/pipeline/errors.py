"""What can go wrong between a plan and its last step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import ConfigError, StepFailed


@dataclass(eq=False)
class UnknownParameter(ConfigError):
    code: ClassVar[str] = "PARAMETER-UNKNOWN"
    what: ClassVar[str] = "{place} sets {name}, but {problem}"
    next: ClassVar[str] = "{advice}"
    place: str
    name: str
    problem: str
    known: Sequence[str]
    near: Sequence[str]

    def facts(self) -> dict[str, object]:
        meant = f"did you mean {' or '.join(self.near)}? " if self.near else ""
        known = f"it has: {', '.join(self.known)}" if self.known else "it has none: remove the setting"
        return {**super().facts(), "advice": meant + known}


@dataclass(eq=False)
class WrongParameterType(ConfigError):
    code: ClassVar[str] = "PARAMETER-TYPE"
    what: ClassVar[str] = "{place} sets {name} to {value}, {given}, and its default {default} is {wanted}"
    next: ClassVar[str] = "give {wanted}: --set {name}={default}"
    place: str
    name: str
    value: str
    given: str
    default: str
    wanted: str


@dataclass(eq=False)
class DataShape(StepFailed):
    code: ClassVar[str] = "DATA-TYPE"
    what: ClassVar[str] = "data step {step} gave a {type}, and a table is needed"
    next: ClassVar[str] = "return a polars or pandas DataFrame, or a pyarrow Table"
    step: str
    type: str


@dataclass(eq=False)
class NoData(StepFailed):
    code: ClassVar[str] = "DATA-EMPTY"
    what: ClassVar[str] = "data step {step} gave no rows{why}"
    next: ClassVar[str] = "look at what it reads; an earlier --as-of leaves out what was not known yet"
    step: str
    why: str


@dataclass(eq=False)
class BadTime(StepFailed):
    code: ClassVar[str] = "DATA-TIME"
    what: ClassVar[str] = "column {column!r} of data step {step} {problem}"
    next: ClassVar[str] = "{fix}"
    step: str
    column: str
    problem: str
    fix: str


@dataclass(eq=False)
class BadKey(StepFailed):
    code: ClassVar[str] = "DATA-KEY"
    what: ClassVar[str] = (
        "the key ({key}) of data step {step} is {problem} in {count} rows, such as: {examples}"
    )
    next: ClassVar[str] = "make every row's key unique: drop repeated rows, or name more columns in key=(...)"
    step: str
    key: Sequence[str]
    problem: str
    count: int
    examples: Sequence[str]


@dataclass(eq=False)
class WrongOutputs(StepFailed):
    code: ClassVar[str] = "STEP-OUTPUTS"
    what: ClassVar[str] = "step {step} declares {count} outputs ({outputs}) and gave {made}"
    next: ClassVar[str] = "return a tuple with one value for each, in that order: return {outputs}"
    step: str
    count: int
    outputs: Sequence[str]
    made: str


@dataclass(eq=False)
class NoItems(StepFailed):
    code: ClassVar[str] = "STEP-ITEMS"
    what: ClassVar[str] = "step {step} gave a {type}, and a later step reads it item by item (noria.Each)"
    next: ClassVar[str] = (
        "return a list or a tuple; a table is cut by the reader: Annotated[pl.DataFrame, noria.Partition(...)]"
    )
    step: str
    type: str


@dataclass(eq=False)
class UnequalLists(StepFailed):
    code: ClassVar[str] = "STEP-UNEQUAL"
    what: ClassVar[str] = "step {step} takes several lists side by side, and they differ in length: {lengths}"
    next: ClassVar[str] = "let them have the same length, or let one step make a list of pairs"
    step: str
    lengths: Sequence[str]


@dataclass(eq=False)
class NoGroup(ConfigError):
    code: ClassVar[str] = "STEP-ENVIRONMENT"
    what: ClassVar[str] = "step {step} runs in environment {group!r}, and it is not there; there are: {known}"
    next: ClassVar[str] = (
        "add the dependency group {group} to pyproject.toml, lock it, and: noria env build {group}"
    )
    step: str
    group: str
    known: Sequence[str]


@dataclass(eq=False)
class CheckFailed(StepFailed):
    code: ClassVar[str] = "CHECK-FAILED"
    what: ClassVar[str] = "check {step} found: {findings}"
    next: ClassVar[str] = "mend the data or the step before it; change the check if it asks too much"
    step: str
    findings: Sequence[str]


@dataclass(eq=False)
class BadFinding(StepFailed):
    code: ClassVar[str] = "CHECK-VALUE"
    what: ClassVar[str] = "check {step} gave a {type}, which says neither that all is well nor what is wrong"
    next: ClassVar[str] = (
        "return None when all is well, else a string or a list of strings that say what was found"
    )
    step: str
    type: str


@dataclass(eq=False)
class BadMetrics(StepFailed):
    code: ClassVar[str] = "METRICS-VALUE"
    what: ClassVar[str] = "metrics {step} {problem}"
    next: ClassVar[str] = 'return a dict of names and finite numbers: {{"auc": 0.71}}'
    step: str
    problem: str


@dataclass(eq=False)
class LooksAtOtherRows(StepFailed):
    code: ClassVar[str] = "TRANSFORM-LOOKS-AT-OTHER-ROWS"
    what: ClassVar[str] = (
        "{role} {step} gives a row another {column!r} when it is asked alone: row {row} is {together} among all "
        "rows and {alone} by itself"
    )
    next: ClassVar[str] = (
        "a service asks one row at a time. Compute what looks at many rows (a mean, a rank, a lag, the categories) in "
        "a @step, and read its output here as an input; a random number in a transform looks the same"
    )
    role: str
    step: str
    column: str
    row: str
    together: str
    alone: str


@dataclass(eq=False)
class FailsAlone(StepFailed):
    code: ClassVar[str] = "TRANSFORM-ONE-ROW"
    what: ClassVar[str] = "{role} {step} takes all rows together, but not row {row} alone: {problem}"
    next: ClassVar[str] = "a service asks one row at a time: let the {role} work on a table of a single row"
    role: str
    step: str
    row: str
    problem: str
