"""What a data step reads from outside goes into its record; other steps may read nothing there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from noria.errors import UsageError
from noria.inside.context import Inside
from noria.records.runs import DataSource


@dataclass(eq=False)
class NotADataStep(UsageError):
    """Its result would be reused although the world has moved on."""

    code: ClassVar[str] = "READ-STEP"
    what: ClassVar[str] = "{call} was called in step {step}, and only data steps read what lies outside"
    next: ClassVar[str] = (
        "read it in a data step, and let {step} read that step's output: then new data are seen"
    )
    call: str
    step: str


@contextmanager
def recorded(inside: Inside, call: str) -> Iterator[list[DataSource]]:
    """The step's sources, to add one to. Raises `NotADataStep`."""
    if inside.role != "data":
        raise NotADataStep(call=call, step=inside.step)
    yield inside.sources
