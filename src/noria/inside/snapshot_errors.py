"""What may be wrong with a table that keeps its past."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from noria.errors import BackendError, ConfigError, NotFound, UsageError

Kind = Literal["delta", "iceberg"]


@dataclass(eq=False)
class NeedsTables(ConfigError):
    code: ClassVar[str] = "TABLE-EXTRA"
    what: ClassVar[str] = "noria.{kind} needs the package {package}, which is not installed"
    next: ClassVar[str] = "pip install 'noria[{kind}]'"
    kind: Kind
    package: str


@dataclass(eq=False)
class NoTable(NotFound):
    code: ClassVar[str] = "TABLE-NONE"
    what: ClassVar[str] = "there is no {kind} table {name}"
    next: ClassVar[str] = "correct its name or place; a local path is taken from the project's folder"
    kind: Kind
    name: str


@dataclass(eq=False)
class NoSnapshot(NotFound):
    code: ClassVar[str] = "TABLE-VERSION"
    what: ClassVar[str] = "the {kind} table {name} has no {asked}; known: {known}"
    next: ClassVar[str] = (
        "name one that it has: old ones go when the table is vacuumed, or its snapshots expire"
    )
    kind: Kind
    name: str
    asked: str
    known: str


@dataclass(eq=False)
class OtherTable(NotFound):
    code: ClassVar[str] = "TABLE-OTHER"
    what: ClassVar[str] = "the {kind} table {name} was made anew since its version {version} was read"
    next: ClassVar[str] = "restore the table that was there, or name a run that read this one: --of RUN"
    kind: Kind
    name: str
    version: str


@dataclass(eq=False)
class SnapshotAsked(UsageError):
    code: ClassVar[str] = "TABLE-ASKED"
    what: ClassVar[str] = "noria.{kind} was given {given}"
    next: ClassVar[str] = "give one of them; a time with its zone, as a data step's `as_of` has it"
    kind: Kind
    given: str


@dataclass(eq=False)
class TableUnreadable(BackendError):
    code: ClassVar[str] = "TABLE-UNREADABLE"
    what: ClassVar[str] = "the {kind} table {name} cannot be read: {why}"
    next: ClassVar[str] = (
        "correct address and credentials, which stand in the environment; is the service up?"
    )
    kind: Kind
    name: str
    why: str
