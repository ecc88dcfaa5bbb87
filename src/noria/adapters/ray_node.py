"""Noria's own folder on a node of a cluster: source trees, copies of objects, what steps log."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import BackendError

UNUSED = 7 * 86_400.0  # s after which a source tree goes: a model that is retrained weekly finds its own


@dataclass(eq=False)
class ForeignFolder(BackendError):
    code: ClassVar[str] = "NODE-FOLDER"
    what: ClassVar[str] = "{folder} is not this user's own folder, so no code is laid out there"
    next: ClassVar[str] = "remove it, or start the node's Ray with TMPDIR set to a folder of its user"
    folder: str


def node_folder() -> Path:
    """In the node's temporary folder (`TMPDIR`), one a user, and closed to others: what lies there is executed."""
    folder = Path(tempfile.gettempdir()) / f"noria-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise ForeignFolder(folder=str(folder))
    return folder


def tidy(folder: Path, *, now: float | None = None) -> None:
    """Remove what was used for the last time long ago: source trees, and spools of jobs that were ended."""
    since = (time.time() if now is None else now) - UNUSED
    for path in (*folder.glob("code/*"), *folder.glob("spool/*/*")):
        if _changed(path) >= since:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # another process may be faster
        else:
            path.unlink(missing_ok=True)


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
