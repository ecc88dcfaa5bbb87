"""What a user can ask for that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import Conflict, NotFound, UsageError


@dataclass(eq=False)
class UnknownModel(NotFound):
    code: ClassVar[str] = "MODEL-UNKNOWN"
    what: ClassVar[str] = "noria.toml has no model {name!r}; it has: {known}"
    next: ClassVar[str] = "name one of them, or add a [model.{name}] table"
    name: str
    known: Sequence[str]


@dataclass(eq=False)
class UnnamedModel(UsageError):
    code: ClassVar[str] = "MODEL-UNNAMED"
    what: ClassVar[str] = "this is about one model, and noria.toml has several: {known}"
    next: ClassVar[str] = "name one of them"
    known: Sequence[str]


@dataclass(eq=False)
class UnknownRun(NotFound):
    code: ClassVar[str] = "RUN-UNKNOWN"
    what: ClassVar[str] = "there is no run {name}"
    next: ClassVar[str] = "noria runs"
    name: str


@dataclass(eq=False)
class UnknownStep(NotFound):
    code: ClassVar[str] = "STEP-UNKNOWN"
    what: ClassVar[str] = "{pipeline} has no step {name!r}; it has: {known}"
    next: ClassVar[str] = "name one of them; an item of a fan-out is written score[3]"
    name: str
    pipeline: str
    known: Sequence[str]


@dataclass(eq=False)
class UnknownVersion(NotFound):
    code: ClassVar[str] = "VERSION-UNKNOWN"
    what: ClassVar[str] = "there is no version {name}; known: {known}"
    next: ClassVar[str] = "noria models"
    name: str
    known: Sequence[str]


@dataclass(eq=False)
class BadReference(UsageError):
    code: ClassVar[str] = "REFERENCE"
    what: ClassVar[str] = "{text!r} names no {kind}"
    next: ClassVar[str] = "write {example}"
    text: str
    kind: str
    example: str


@dataclass(eq=False)
class NoWayBack(Conflict):
    code: ClassVar[str] = "ROLLBACK-NONE"
    what: ClassVar[str] = "{model} has no earlier {alias} to go back to"
    next: ClassVar[str] = "noria promote {model}:N"
    model: str
    alias: str


@dataclass(eq=False)
class GatesRefuse(Conflict):
    code: ClassVar[str] = "PROMOTE-REFUSED"
    what: ClassVar[str] = "{version} did not pass its gates: {why}"
    next: ClassVar[str] = (
        "noria show {version}; or promote it all the same with --force, which the event records"
    )
    version: str
    why: str
