"""Stored records back into what they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import msgspec

from noria.errors import Corrupt
from noria.records.base import decoder_of

R = TypeVar("R")


@dataclass(eq=False)
class UnreadableRecord(Corrupt):
    code: ClassVar[str] = "RECORD-UNREADABLE"
    what: ClassVar[str] = "a stored {kind} cannot be read: {problem}"
    next: ClassVar[str] = (
        "if a newer Noria has written it, use that version; else restore the records from a backup"
    )
    kind: str
    problem: str


def reader(kind: type[R], name: str = "") -> Callable[[str], R]:
    """A function that parses one kind of record. Its decoder is built once, when it is first needed: a command reads one
    kind or two. `name` is for a union."""

    def read(body: str) -> R:
        try:
            return decoder_of(kind).decode(body)
        except msgspec.MsgspecError as error:
            raise UnreadableRecord(kind=name or kind.__name__, problem=str(error)) from error

    return read
