"""A data step's door to files beyond its project: each is pinned by the digest of the bytes that the step was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from noria.records.patterns import Pattern
from noria.records.profiles import ManifestFile

Lay = Callable[[str, Path], None]
"""Gives the bytes of a file their name, where the step will read them; called for each as soon as it is there."""


class Outside(Protocol):
    """One step's door; safe for many threads. Errors: `NotFound` for what is not there, `Conflict` for what changes
    while it is read, `BackendError` for what may not be read, `Unavailable` where a service does not answer.

    With `keep`, the bytes go to the object store. What was read before and has not changed since (by inode, times and
    size; by the service's own tag) is not read again.
    """

    def local(
        self, pattern: Pattern, root: Path, names: Sequence[str], *, keep: bool, lay: Lay
    ) -> Sequence[ManifestFile]:
        """The files of this machine that were found for a pattern, by their names beneath a folder. Without `keep` the
        step reads them where they lie, and nothing is laid."""
        ...

    def remote(self, pattern: Pattern, *, keep: bool, lay: Lay) -> tuple[str, Sequence[ManifestFile]]:
        """Files in a bucket, sorted, and the address that their names are beneath."""
        ...

    def settle(self) -> None:
        """The step is done: raises a `Conflict` when a file that it read where it lies is another one by now."""
        ...
