"""Whose objects these are: each store of records that uses them leaves its name beside them.

A bucket is easily named by two projects, or by two clones of one that each have their own SQLite file. What the other's
records need cannot be read from here, so a collection must not begin.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.errors import Conflict
from noria.records.base import digest_bytes, short

if TYPE_CHECKING:
    from noria.app.wiring import App

FOLDER = "users"
FILE = "identity"  # in a project's state: the name of its SQLite records, which goes with them wherever they move
CREDENTIALS = re.compile(r"(?<=://)[^/@]*@|\?.*")


@dataclass(eq=False)
class OthersUse(Conflict):
    code: ClassVar[str] = "GC-SHARED"
    what: ClassVar[str] = "other records use these objects, too, and what they need is not known here: {who}"
    next: ClassVar[str] = (
        "let all share one PostgreSQL as [store] records, or give each a prefix of its own as [store] objects; for "
        "records that are gone for good, remove {slots} from the slots"
    )
    who: Sequence[str]
    slots: Sequence[str]


def claim(app: App) -> None:
    """Leave the name of our records beside the objects, unless it stands there."""
    name = _slot(app)
    if app.slots.get(name) is None:
        app.slots.put(name, _told(app).encode())


def refuse_others(app: App) -> None:
    """Raises `OthersUse` when other records have left theirs."""
    others = [name for name in app.slots.names(FOLDER) if name != _slot(app)]
    if others:
        raise OthersUse(who=[(app.slots.get(name) or b"").decode() for name in others], slots=others)


def _slot(app: App) -> str:
    url = _server(app)
    return f"{FOLDER}/{short(digest_bytes(url.encode())) if url else _own(app)}"


def _told(app: App) -> str:
    return _server(app) or f"{app.state} on {platform.node()}"


def _server(app: App) -> str:
    """The records' address without credentials, where they lie outside of the project's state."""
    return CREDENTIALS.sub("", os.environ.get("NORIA_RECORDS") or app.policy.store.records or "")


def _own(app: App) -> str:
    """The random name of this project's own records; of several processes that make one, one wins."""
    path = app.state / FILE
    if not path.exists():
        beside = path.with_name(f".{FILE}.{os.urandom(4).hex()}")
        beside.write_text(os.urandom(8).hex())
        with contextlib.suppress(FileExistsError):  # another process was faster
            path.hardlink_to(beside)
        beside.unlink()
    return path.read_text().strip()
