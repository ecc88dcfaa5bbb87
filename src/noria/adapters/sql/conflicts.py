"""Changes that the store refuses, because the state is not what the caller took it to be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from noria.errors import Bug, Conflict, NotFound, UsageError
from noria.records.base import Json


@dataclass(eq=False)
class AliasElsewhere(Conflict):
    code: ClassVar[str] = "ALIAS-MOVED"
    what: ClassVar[str] = (
        "{model}@{alias} has moved on: version {expected} was expected there, and it names {found}"
    )
    next: ClassVar[str] = "look at what moved it (noria models {model}), then decide again"
    model: str
    alias: str
    expected: int | None
    found: int | None


@dataclass(eq=False)
class NumberTaken(Conflict):
    code: ClassVar[str] = "NUMBER-TAKEN"
    what: ClassVar[str] = "{model} has a {noun} {number} already"
    next: ClassVar[str] = "another process was quicker: look at its {noun}, then start again"
    model: str
    noun: str
    number: int


@dataclass(eq=False)
class RunIsOver(Conflict):
    code: ClassVar[str] = "RUN-OVER"
    what: ClassVar[str] = "run {model}/{run} has ended already: {outcome}"
    next: ClassVar[str] = "noria show {model}/{run}"
    model: str
    run: int
    outcome: str


@dataclass(eq=False)
class BlockTaken(Conflict):
    code: ClassVar[str] = "BLOCK-TAKEN"
    what: ClassVar[str] = "the block of {model}:{version} that starts at {start} has its {noun} already"
    next: ClassVar[str] = "another process watches this model: let one of them stop"
    model: str
    version: int
    start: datetime
    noun: str


@dataclass(eq=False)
class RolloutOpen(Conflict):
    code: ClassVar[str] = "ROLLOUT-OPEN"
    what: ClassVar[str] = "rollout {model}/r{number} is under way, and a model has one at a time"
    next: ClassVar[str] = "noria rollout status {model}; noria rollout abort {model} ends it"
    model: str
    number: int


@dataclass(eq=False)
class RolloutMovedOn(Conflict):
    code: ClassVar[str] = "ROLLOUT-STALE"
    what: ClassVar[str] = (
        "rollout {model}/r{number} has moved on: you acted on its change {expected}, and its last is {found}"
    )
    next: ClassVar[str] = "noria rollout status {model}, then decide again"
    model: str
    number: int
    expected: int
    found: int


@dataclass(eq=False)
class Contradiction(Conflict):
    code: ClassVar[str] = "FEEDBACK-CONTRADICTS"
    what: ClassVar[str] = (
        "the label for {by} {ref} of {model} is {stored!r}, and {given!r} was given"
        "{and_others}; nothing was stored"
    )
    next: ClassVar[str] = "send it as a correction if the new label is the right one"
    model: str
    by: str
    ref: str
    stored: Json
    given: Json
    others: int = 0

    def facts(self) -> dict[str, object]:
        more = f" ({self.others} more like this in the batch)" if self.others else ""
        return {**super().facts(), "and_others": more}


@dataclass(eq=False)
class AlarmOver(Conflict):
    code: ClassVar[str] = "ALARM-OVER"
    what: ClassVar[str] = "the alarm {alarm} is resolved already, by {by}: {why}"
    next: ClassVar[str] = "noria alarms list --all"
    alarm: str
    by: str
    why: str


@dataclass(eq=False)
class UnknownAlarm(NotFound):
    code: ClassVar[str] = "ALARM-UNKNOWN"
    what: ClassVar[str] = "there is no alarm {alarm}"
    next: ClassVar[str] = "noria alarms list --all"
    alarm: str


@dataclass(eq=False)
class UnknownRun(NotFound):
    code: ClassVar[str] = "RUN-UNRECORDED"
    what: ClassVar[str] = "{model} has no run {run}"
    next: ClassVar[str] = "noria runs {model}"
    model: str
    run: int


@dataclass(eq=False)
class UnregisteredVersion(NotFound):
    code: ClassVar[str] = "VERSION-UNREGISTERED"
    what: ClassVar[str] = "{model} has no version {version}"
    next: ClassVar[str] = "noria models {model}"
    model: str
    version: int


@dataclass(eq=False)
class UnfitRecord(UsageError):
    code: ClassVar[str] = "RECORD-UNFIT"
    what: ClassVar[str] = "a record of kind {kind} cannot be stored: {problem}"
    next: ClassVar[str] = (
        "numbers must be finite, times must have a zone, and types must be those of the record"
    )
    kind: str
    problem: str


@dataclass(eq=False)
class OtherModel(Bug):
    code: ClassVar[str] = "CHANGE-OF-OTHER-MODEL"
    what: ClassVar[str] = "a {kind} of {found} was to be appended to the chain of {model}"
    next: ClassVar[str] = "report this with the command that you ran"
    model: str
    found: str
    kind: str
