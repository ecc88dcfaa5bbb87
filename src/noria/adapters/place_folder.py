"""A folder of this machine, as a place for a batch's files."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

from blake3 import blake3

from noria.adapters.outside import at_once
from noria.adapters.outside_errors import FileChanged, told
from noria.errors import BackendError
from noria.ports.places import Lying
from noria.records.patterns import WILD, matcher

UNFINISHED = ".unfinished-"  # a hidden name: most readers of the folder do not take it for a part
TOKEN = 4  # bytes that tell the writers of one file apart
NO_PART = ".half"  # nor do those that take hidden names, too, as polars does: they go by the ending


@dataclass(eq=False)
class PlaceUnwritable(BackendError):
    code: ClassVar[str] = "PLACE-UNWRITABLE"
    what: ClassVar[str] = "{path} cannot be written: {why}"
    next: ClassVar[str] = (
        "make room, or name a folder that you may write to; what is whole stays: --resume goes on"
    )
    path: str
    why: str


class FolderPlace:
    """See `noria.ports.places.Place`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> str:
        return os.fspath(self._folder)

    def files(self, below: str) -> Sequence[Lying]:
        if not WILD.search(below) or (self._folder / below).is_file():
            return [self._lying(below)] if (self._folder / below).is_file() else []
        fits, deep = matcher(below).fullmatch, None if "**" in below.split("/") else below.count("/")
        return at_once(self._lying, sorted(name for name in self._below(deep) if fits(name)))

    def names(self) -> Sequence[str]:
        return sorted(self._below(None))

    def _below(self, deep: int | None) -> Iterator[str]:
        """Names of all files beneath, so many folders deep."""
        with told(self.url):
            for folder, folders, names in os.walk(self._folder, onerror=_raise_unless_gone):
                inside = os.path.relpath(folder, self._folder)
                before = "" if inside == "." else f"{inside}/"
                if deep is not None and before.count("/") == deep:
                    folders.clear()
                yield from (before + name for name in names if not name.startswith(UNFINISHED))

    @contextmanager
    def open(self, name: str, size: int, tag: str) -> Iterator[IO[bytes]]:
        path = self._folder / name
        with told(os.fspath(path)):
            file = path.open("rb")
        with file:  # what goes wrong in the block is not this file's fault
            before = os.fstat(file.fileno())
            if before.st_size != size:
                raise FileChanged(path=os.fspath(path))
            yield file
            with told(os.fspath(path)):
                after = path.stat()
            if (before.st_mtime_ns, before.st_ino, size) != (after.st_mtime_ns, after.st_ino, after.st_size):
                raise FileChanged(path=os.fspath(path))

    def read(self, name: str) -> bytes | None:
        path = self._folder / name
        with told(os.fspath(path)):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        path = self._folder / name
        aside = path.with_name(f"{UNFINISHED}{secrets.token_hex(TOKEN)}-{path.name}{NO_PART}")
        try:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                _drop_halves(path)
                yield aside
                _publish(aside, path)
            finally:
                aside.unlink(missing_ok=True)
        except OSError as error:
            raise PlaceUnwritable(path=os.fspath(path), why=error.strerror or str(error)) from error

    def drop(self, names: Iterable[str]) -> None:
        for name in names:
            path = self._folder / name
            with told(os.fspath(path)):
                path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # others lie there still
                    if path.parent != self._folder:
                        path.parent.rmdir()

    def sweep(self) -> None:
        with told(self.url):
            for half in self._folder.rglob(f"{UNFINISHED}*"):
                half.unlink(missing_ok=True)

    def _lying(self, name: str) -> Lying:
        path = self._folder / name
        with told(os.fspath(path)):
            size = path.stat().st_size
            tag = (
                blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()
                if size
                else blake3().hexdigest()
            )
        return Lying(name, size, f"blake3:{tag}")


def _drop_halves(path: Path) -> None:
    """What a killed writer of this file has left. One who still writes it, and was taken for dead, then fails."""
    for half in path.parent.glob(f"{UNFINISHED}{'?' * 2 * TOKEN}-{glob.escape(path.name)}{NO_PART}"):
        half.unlink(missing_ok=True)


def _publish(aside: Path, path: Path) -> None:
    """On the disk first, then under its name."""
    for each in (aside, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if each is aside:
            aside.replace(path)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error
