"""What a notebook can ask for that cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import ConfigError, NotFound, StepFailed, UsageError


@dataclass(eq=False)
class UnknownOutput(NotFound):
    code: ClassVar[str] = "OUTPUT-UNKNOWN"
    what: ClassVar[str] = "{run} has no output {name!r}; it has: {known}"
    next: ClassVar[str] = 'name one of them: run["classifier"], of a fan-out run["score"][3]'
    run: str
    name: str
    known: Sequence[str]


@dataclass(eq=False)
class NoneSucceeded(NotFound):
    code: ClassVar[str] = "RUN-NONE"
    what: ClassVar[str] = "no run of {model} has succeeded yet"
    next: ClassVar[str] = "noria run, then look again; noria.runs() shows those that failed"
    model: str


@dataclass(eq=False)
class NotNamed(UsageError):
    code: ClassVar[str] = "RUN-KEY"
    what: ClassVar[str] = "{key!r} names no run here"
    next: ClassVar[str] = '{fix}: runs[143], runs["delay/143"], runs.latest; runs[:10] are the newest ten'
    key: str
    fix: str = "give its number or its name"


@dataclass(eq=False)
class BadTime(UsageError):
    code: ClassVar[str] = "TIME"
    what: ClassVar[str] = "{given!r} is no time"
    next: ClassVar[str] = 'write "2025-03-01T09:00Z", or how long ago: "1h"'
    given: str


@dataclass(eq=False)
class BadFilter(UsageError):
    code: ClassVar[str] = "RUN-FILTER"
    what: ClassVar[str] = "{given} is no {kind} to choose runs by"
    next: ClassVar[str] = "{fix}"
    given: str
    kind: str
    fix: str


@dataclass(eq=False)
class Unsafe(UsageError):
    code: ClassVar[str] = "UNSAFE-OUTPUT"
    what: ClassVar[str] = "{name} is pickled: reading it runs whatever code was stored in it"
    next: ClassVar[str] = "if you trust who made it: {fix}"
    name: str
    fix: str


@dataclass(eq=False)
class NeedsClass(ConfigError):
    code: ClassVar[str] = "CLASS-ELSEWHERE"
    what: ClassVar[str] = "{name} holds an instance of a class of the project's own: {why}"
    next: ClassVar[str] = (
        'let Python find the project\'s modules, then try again: sys.path.insert(0, "{project}")'
    )
    name: str
    why: str
    project: str


@dataclass(eq=False)
class AnswerFailed(StepFailed):
    code: ClassVar[str] = "ANSWER-FAILED"
    what: ClassVar[str] = "{version} could not answer: {why}"
    next: ClassVar[str] = "{fix}"
    version: str
    why: str
    fix: str
