"""The right to work on something alone, which ends with its holder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Protocol

from noria.errors import Conflict


@dataclass(eq=False)
class Busy(Conflict):
    code: ClassVar[str] = "RUN-BUSY"
    what: ClassVar[str] = "{what_for} is being worked on by {holder}"
    next: ClassVar[str] = (
        "wait for it to end, or stop it and run again: nothing of its finished steps is lost"
    )
    what_for: str
    holder: str


class Leases(Protocol):
    """Leases by name among all who share the records. One ends with its block, and with its holder's process,
    however that ends."""

    def hold(self, name: str, holder: str) -> AbstractContextManager[None]:
        """Hold it until the block ends. Raises `Busy` at once when somebody else does. `holder` is what they read."""
        ...

    def holder(self, name: str) -> str | None:
        """Who holds it now; None when nobody does. Asking turns nobody away."""
        ...
