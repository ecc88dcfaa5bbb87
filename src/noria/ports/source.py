"""What the source stage asks of version control."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from noria.records.base import Record


class Checkout(Record):
    """A repository as it lies on the disk, seen from one folder of it and limited to that folder.

    Paths are relative to that folder, with slashes; bytes that are no UTF-8 stand as surrogate escapes.
    """

    commit: str
    branch: str | None
    """None on a detached head, as in the middle of a rebase."""
    folder: str
    """The folder seen from the repository's top; `.` for the top itself."""
    tracked: tuple[str, ...]
    """Files and symbolic links in the index, those in conflict once."""
    modules: tuple[str, ...] = ()
    """Submodules: their files are a checkout of their own."""
    changed: tuple[str, ...] = ()
    """What differs from the commit, staged or not, deleted files and moved submodules too."""
    deleted: tuple[str, ...] = ()
    """Tracked files that are gone from the disk."""
    untracked: tuple[str, ...] = ()
    """Files that git would track: neither in the index nor ignored."""
    strangers: tuple[str, ...] = ()
    """Untracked folders that are repositories of their own; git looks no further."""


class Git(Protocol):
    """Reads a repository; changes nothing in it, not even its index.

    Errors are of the family ConfigError and name the command that mends them: git is not installed, the folder is
    in no repository, the repository has no commit yet, git itself refuses.
    """

    def look(self, folder: Path) -> Checkout:
        """What is there, from one look: all of it belongs to one moment, as far as nobody writes meanwhile."""
        ...

    def diff(self, folder: Path, *, leaving_out: Sequence[str] = (), inside: str = "") -> bytes:
        """The patch from the commit to the working tree of tracked files under `folder`, binary files too.

        It applies at the top of the repository; `inside` puts a folder before each path, so that a submodule's
        patch applies at the top of the repository around it. Empty when nothing differs.
        """
        ...
