"""A folder of files, on this machine or in a bucket: where a batch's rows come from, and where its answers go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol


@dataclass(frozen=True)
class Lying:
    """A file that lies in a place."""

    name: str
    """Below the place, with slashes."""
    size: int
    tag: str
    """Changes with its content."""


class Place(Protocol):
    """Files by their names below one address. Safe for many processes. Errors: `NotFound` for what is not there,
    `Conflict` for what changed since it was listed, `BackendError` for what may not be read or written, `Unavailable`
    where a service does not answer."""

    @property
    def url(self) -> str: ...

    def files(self, below: str) -> Sequence[Lying]:
        """The file of that name, or those that fit a pattern (`records.patterns.matcher`), by name and with their tags:
        a local file is read to its end for it. None of them where there are none, or no such place."""
        ...

    def names(self) -> Sequence[str]:
        """Of all that lies here, unread; none where there is no such place."""
        ...

    def open(self, name: str, size: int, tag: str) -> AbstractContextManager[IO[bytes]]:
        """A file's bytes at random, of just the content that was listed: raises a `Conflict` when it has become another,
        at the latest when the block ends."""
        ...

    def read(self, name: str) -> bytes | None:
        """A small file whole; None where there is none."""
        ...

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """A path to write to; the file is there whole, and durable, when the block ends, instead of one that was, and
        not at all when the block raises or the process dies."""
        ...

    def drop(self, names: Iterable[str]) -> None:
        """Remove files; absent ones are ignored."""
        ...

    def sweep(self) -> None:
        """Remove what writers have left that were killed. For who writes here alone: one who still does would fail."""
        ...
