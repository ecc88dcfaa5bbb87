"""What may be wrong with a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import BackendError, ConfigError, Conflict, Corrupt, NotFound, StepFailed, UsageError


@dataclass(eq=False)
class NoInput(NotFound):
    code: ClassVar[str] = "BATCH-NO-INPUT"
    what: ClassVar[str] = "there is no file {input}{besides}"
    next: ClassVar[str] = "name a file, a folder or a pattern; files end with {known}"
    input: str
    besides: str
    known: Sequence[str]


@dataclass(eq=False)
class UnknownInput(UsageError):
    code: ClassVar[str] = "BATCH-FORM"
    what: ClassVar[str] = "{file} has an ending that says nothing"
    next: ClassVar[str] = "files of a batch end with {known}"
    file: str
    known: Sequence[str]


@dataclass(eq=False)
class BadFile(UsageError):
    code: ClassVar[str] = "BATCH-FILE"
    what: ClassVar[str] = "{file} cannot be read: {why}"
    next: ClassVar[str] = (
        "write it anew, or leave it out; where the batch has begun, --resume keeps the parts of other files"
    )
    file: str
    why: str


@dataclass(eq=False)
class BadSchema(UsageError):
    code: ClassVar[str] = "BATCH-SCHEMA"
    what: ClassVar[str] = "the input is not what {version} takes\n{faults}"
    next: ClassVar[str] = "mend the columns; `noria show {version}` says what it takes"
    version: str
    faults: str


@dataclass(eq=False)
class RowsRefused(UsageError):
    code: ClassVar[str] = "BATCH-ROWS"
    what: ClassVar[str] = "{file}, row {row}: {why}; {count} of the {of} rows from row {first} on are refused"
    next: ClassVar[str] = (
        "mend them and --resume, or let their answers be null: --on-refused null --overwrite"
    )
    file: str
    row: int
    why: str
    count: int
    of: int
    first: int


@dataclass(eq=False)
class OutputIsInput(UsageError):
    code: ClassVar[str] = "BATCH-OUTPUT-INPUT"
    what: ClassVar[str] = "the output {output} lies in the input {input}, or the input in it"
    next: ClassVar[str] = "name another folder: the next batch would read these answers as rows"
    input: str
    output: str


@dataclass(eq=False)
class OutputIsFile(UsageError):
    code: ClassVar[str] = "BATCH-OUTPUT-FILE"
    what: ClassVar[str] = "the output {output} is a folder's name: its parts are written side by side"
    next: ClassVar[str] = "name a folder, without {ending} at its end"
    output: str
    ending: str


@dataclass(eq=False)
class OutputTaken(Conflict):
    code: ClassVar[str] = "BATCH-OUTPUT-TAKEN"
    what: ClassVar[str] = "{output} holds {holds}"
    next: ClassVar[str] = "{fix}"
    output: str
    holds: str
    fix: str


@dataclass(eq=False)
class OtherBatch(Conflict):
    code: ClassVar[str] = "BATCH-OTHER"
    what: ClassVar[str] = "{batch}, which was begun in {output}, is another batch: not alike in {differs}"
    next: ClassVar[str] = "ask for the same, or begin anew: --overwrite"
    batch: str
    output: str
    differs: Sequence[str]


@dataclass(eq=False)
class ColumnsTaken(UsageError):
    code: ClassVar[str] = "BATCH-COLUMNS"
    what: ClassVar[str] = "column {columns} cannot be carried over: {why}"
    next: ClassVar[str] = "leave it out of --columns, or give it another name in the input"
    columns: Sequence[str]
    why: str


@dataclass(eq=False)
class Unshared(ConfigError):
    code: ClassVar[str] = "BATCH-UNSHARED"
    what: ClassVar[str] = "{nodes} of the Ray cluster cannot see {folder}"
    next: ClassVar[str] = (
        "put the files where all nodes see them (a bucket, a shared folder), or use --engine local"
    )
    nodes: Sequence[str]
    folder: str


@dataclass(eq=False)
class PartsFailed(StepFailed):
    code: ClassVar[str] = "BATCH-PARTS"
    what: ClassVar[str] = "{failed} of {parts} parts failed; {done} are done\n{why}"
    next: ClassVar[str] = (
        "mend what is named, then go on with the others kept: the same command with --resume"
    )
    failed: int
    parts: int
    done: int
    why: str


@dataclass(eq=False)
class UnknownBatch(NotFound):
    code: ClassVar[str] = "BATCH-UNKNOWN"
    what: ClassVar[str] = "no batch has the id {id}"
    next: ClassVar[str] = "the id stands in `_noria.json` beside its parts, and in `noria audit --events`"
    id: str


@dataclass(eq=False)
class PartsGone(BackendError):
    code: ClassVar[str] = "BATCH-PARTS-GONE"
    what: ClassVar[str] = "{output}, where {batch} wrote its parts, does not hold {missing} any more"
    next: ClassVar[str] = "bring them back, or do the batch again"
    batch: str
    output: str
    missing: str


@dataclass(eq=False)
class ManifestChanged(Corrupt):
    code: ClassVar[str] = "BATCH-MANIFEST"
    what: ClassVar[str] = "{manifest} is not the one that {batch} wrote"
    next: ClassVar[str] = "another batch may have overwritten it: look at the id in it"
    manifest: str
    batch: str
