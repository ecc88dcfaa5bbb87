"""Where a service keeps the routing table of a model, for the service that comes after it at the same address.

Two services of one alias must not write one file: each would undo what the other's people have decided, and whichever starts
again would take up the table of the other. So the file is of the address, and has one owner at a time.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from noria.records.base import canonical, parse
from noria.records.routing import Routing


@dataclass(frozen=True)
class Kept:
    """A file for one table, owned until the process ends; for nobody with `path` None."""

    path: Path | None

    def read(self) -> Routing | None:
        """None where there is none. Raises OSError, MsgspecError."""
        if self.path is None or not self.path.exists():
            return None
        return parse(self.path.read_bytes(), Routing)

    def write(self, table: Routing) -> None:
        """Whoever reads meanwhile gets the table of before."""
        if self.path is None:
            return
        partial = self.path.with_suffix(".partial")
        partial.write_bytes(canonical(table))
        partial.replace(self.path)


def claimed(folder: Path, name: str, port: int) -> Kept:
    """The file of a model's service at a port. With port 0 the address is another each time, so those share one name, and
    the first of them that runs owns it; others keep nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{port}.json" if port else folder / f"{name}.json"
    lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, however it ends
    except BlockingIOError:
        os.close(lock)
        return Kept(None)
    return Kept(path)
