"""What a fast model says of rows that its original refuses too, and of a machine that lacks its library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from noria.errors import BackendError, UsageError


@dataclass(eq=False)
class NoSuchLibrary(BackendError):
    code: ClassVar[str] = "FAST-LIBRARY"
    what: ClassVar[str] = "the native library of {package} is not in this environment: {problem}"
    next: ClassVar[str] = "install {package} in the environment of the version"
    package: str
    problem: str


@dataclass(eq=False)
class NativeFailure(BackendError):
    code: ClassVar[str] = "FAST-NATIVE"
    what: ClassVar[str] = "{package} said: {said}"
    next: ClassVar[str] = "serve the version without its fast path, and report this"
    package: str
    said: str


@dataclass(eq=False)
class CannotAnswer(UsageError):
    """As the original raises an error for the same row."""

    code: ClassVar[str] = "FAST-VALUE"
    status: ClassVar[int] = 422
    what: ClassVar[str] = "{column} is {value}, and the model {problem}"
    next: ClassVar[str] = "send a value that the model has learned to take"
    column: str
    value: str
    problem: str
    at: int | None = None
    """Which of the model's inputs it is, where that is known."""
    row: int | None = None
    """Of the request, where that is known."""

    def facts(self) -> dict[str, object]:
        where = self.column if self.row is None else f"row {self.row}, column {self.column}"
        return {**super().facts(), "column": where}


@dataclass(eq=False)
class WrongWidth(UsageError):
    code: ClassVar[str] = "FAST-WIDTH"
    what: ClassVar[str] = "a row has {given} values, and the model takes {wanted}"
    next: ClassVar[str] = "give one value for each input column, in their order"
    given: int
    wanted: int
