"""Small named values that change: where a step's newest checkpoint lies, who works on what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Slots(Protocol):
    """Named bytes, each replaced as a whole. Beside an object store, on the same back end; safe for many threads and
    processes. A name is a path of plain words (`checkpoints/ab12`), and either a value's or a folder's; any other is a
    `Bug`. Further errors: `Unavailable` and `BackendError`."""

    def put(self, name: str, data: bytes) -> None:
        """Set a value: atomic, and durable when it returns."""
        ...

    def get(self, name: str) -> bytes | None:
        """The newest value; None where there is none."""
        ...

    def names(self, folder: str) -> Sequence[str]:
        """All names under a folder, sorted."""
        ...

    def drop(self, name: str) -> None:
        """Remove it; a second time is harmless."""
        ...
