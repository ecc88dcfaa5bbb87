"""Where a function is written."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Where:
    """Where a function is written, for errors."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})"


def where_of(function: Callable[..., Any]) -> Where:
    """Where a function is written, decorators of other libraries looked through."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return Where(getattr(function, "__qualname__", repr(function)), "unknown file", 0)
    return Where(function.__qualname__, code.co_filename, code.co_firstlineno)
