"""What can be wrong with a declaration. Each names the function, its file and line, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.declare.where import Where
from noria.errors import ConfigError


@dataclass(eq=False)
class BadParameter(ConfigError):
    code: ClassVar[str] = "PIPELINE-PARAMETER"
    what: ClassVar[str] = "parameter {name!r} of {where} {problem}"
    next: ClassVar[str] = "{fix}"
    where: Where
    name: str
    problem: str
    fix: str


@dataclass(eq=False)
class BadOption(ConfigError):
    code: ClassVar[str] = "PIPELINE-OPTION"
    what: ClassVar[str] = "option {option!r} of {where} {problem}"
    next: ClassVar[str] = "{fix}"
    where: Where
    option: str
    problem: str
    fix: str


@dataclass(eq=False)
class UnreadableAnnotation(ConfigError):
    code: ClassVar[str] = "PIPELINE-ANNOTATION"
    what: ClassVar[str] = "the annotations of {where} cannot be read: {problem}"
    next: ClassVar[str] = "import what they name at the top of the file, outside TYPE_CHECKING"
    where: Where
    problem: str


@dataclass(eq=False)
class MissingAnnotation(ConfigError):
    code: ClassVar[str] = "PIPELINE-NO-ANNOTATION"
    what: ClassVar[str] = "{where} reads rows as {name!r} and does not say which kind of table it wants"
    next: ClassVar[str] = (
        "annotate it: {name}: pl.DataFrame, pd.DataFrame or pa.Table; requests arrive as that, too"
    )
    where: Where
    name: str


@dataclass(eq=False)
class DuplicateName(ConfigError):
    code: ClassVar[str] = "PIPELINE-DUPLICATE"
    what: ClassVar[str] = "{name!r} is made twice: by {first} and by {second}"
    next: ClassVar[str] = "rename one of the two functions or outputs"
    name: str
    first: Where
    second: Where


@dataclass(eq=False)
class UnknownInput(ConfigError):
    code: ClassVar[str] = "PIPELINE-UNKNOWN-INPUT"
    what: ClassVar[str] = "{where} reads {name!r}, and no step makes it"
    next: ClassVar[str] = (
        "rename the parameter to one of: {known}; or put `*,` before it to make it a hyperparameter"
    )
    where: Where
    name: str
    known: Sequence[str]


@dataclass(eq=False)
class Cycle(ConfigError):
    code: ClassVar[str] = "PIPELINE-CYCLE"
    what: ClassVar[str] = "these steps wait for one another: {path}; the first is {where}"
    next: ClassVar[str] = "let one of them read something that comes earlier"
    where: Where
    path: str


@dataclass(eq=False)
class WrongRole(ConfigError):
    code: ClassVar[str] = "PIPELINE-ROLE"
    what: ClassVar[str] = "{where}, a {role}, {problem}"
    next: ClassVar[str] = "{fix}"
    where: Where
    role: str
    problem: str
    fix: str


@dataclass(eq=False)
class EmptyPipeline(ConfigError):
    code: ClassVar[str] = "PIPELINE-EMPTY"
    what: ClassVar[str] = "pipeline {name!r} has no steps"
    next: ClassVar[str] = "decorate a function with @{name}.data or @{name}.step"
    name: str
