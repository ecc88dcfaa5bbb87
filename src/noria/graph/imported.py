"""What this process has imported of a project: each file by the digest of the very bytes that were compiled."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType

from noria.graph.errors import SourceChanged
from noria.records.base import Digest, digest_bytes

FOREIGN = frozenset({"site-packages", "dist-packages", "node_modules", "__pycache__"})
"""Folders inside a project's that hold no code of its own; those with a leading dot are left out as well."""


def is_own(path: Path, root: Path) -> bool:
    """Whether a file below `root` is the project's own, and not an environment's that lies in there."""
    if not path.is_relative_to(root):
        return False
    folders = path.relative_to(root).parts[:-1]
    return not any(folder in FOREIGN or folder.startswith(".") for folder in folders)


class Imported:
    """The project's files that this process has imported, once `follow` was called: by their place from the root."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._below = tuple({f"{folder}{os.sep}" for folder in (root, self._root)})
        self._digests: dict[str, Digest] = {}
        self._told: Mapping[str, Digest] = {}

    def follow(self) -> None:
        """From now on, note each file of the project that Python's import reads."""
        sys.path_hooks.insert(0, self._finder)
        for folder in list(sys.path_importer_cache):
            if self._holds(folder):
                del sys.path_importer_cache[folder]

    @contextmanager
    def held_to(self, told: Mapping[str, Digest]) -> Iterator[None]:
        """While this lasts, the project's code is that of `told`: a digest by a file's place. Files that it does not
        name are free, and so are those that are not imported. Raises `SourceChanged`: at once for what was imported
        before, from within the import for what comes to be, and at the end where somebody swallowed that."""
        self._check(told)
        self._told = told
        try:
            yield
        finally:
            self._told = {}
            self._check(told)

    def note(self, path: str, content: bytes) -> None:
        """This is what was read of a file, to be compiled. Raises `SourceChanged` where it may not be."""
        file = Path(path).resolve()
        if is_own(file, self._root):
            place = file.relative_to(self._root).as_posix()
            self._digests[place] = digest_bytes(content)
            if self._told.get(place, self._digests[place]) != self._digests[place]:
                raise SourceChanged(files=[place])

    def _check(self, told: Mapping[str, Digest]) -> None:
        for place in told.keys() - self._digests.keys():
            self._note_others(place)
        changed = [place for place in told if self._digests.get(place, told[place]) != told[place]]
        if changed:
            raise SourceChanged(files=sorted(changed))

    def _note_others(self, place: str) -> None:
        """A file that some other way of importing has read (a compiled module, a package's own hook) counts as it is
        when it is first seen."""
        for name in _names(place):
            loaded = getattr(sys.modules.get(name), "__file__", None)
            file = Path(loaded).resolve() if loaded else None
            if file and file == (self._root / place).resolve():
                self._digests[place] = digest_bytes(file.read_bytes()) if file.is_file() else GONE

    def _finder(self, folder: str) -> FileFinder:
        """A hook of Python's import: what finds modules in a folder of the project."""
        if not self._holds(folder):
            raise ImportError(f"{folder} is none of the project's")
        return FileFinder(
            folder,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (partial(_Noting, self), SOURCE_SUFFIXES),  # type: ignore[arg-type]  # it is only ever called
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )

    def _holds(self, folder: str) -> bool:
        """Whether modules in this folder are the project's; asked for every package there is, so without the disk."""
        if not f"{folder}{os.sep}".startswith(self._below) or not Path(folder).is_dir():
            return False
        return is_own(Path(folder, "any.py").resolve(), self._root)


GONE = Digest("")
"""Stands for a file that was imported and is no longer there."""


class _Noting(SourceFileLoader):
    """Reads a file once and tells what it has read; bytecode counts only for the very state that was read."""

    def __init__(self, imported: Imported, name: str, path: str) -> None:
        super().__init__(name, path)
        self._imported = imported
        self._read: tuple[bytes, os.stat_result] | None = None

    def get_code(self, fullname: str) -> CodeType | None:
        self._read = _at_rest(self.path)
        try:
            self._imported.note(self.path, self._read[0])
            return super().get_code(fullname)
        finally:
            self._read = None

    def path_stats(self, path: str) -> Mapping[str, float]:
        if self._read is None or path != self.path:
            return super().path_stats(path)
        return {"mtime": self._read[1].st_mtime, "size": self._read[1].st_size}

    def get_data(self, path: str) -> bytes:
        return super().get_data(path) if self._read is None or path != self.path else self._read[0]


def _at_rest(path: str) -> tuple[bytes, os.stat_result]:
    """A file's bytes with its size and time, read while nobody wrote to it."""
    while True:
        with Path(path).open("rb") as file:
            before, content, after = os.fstat(file.fileno()), file.read(), os.fstat(file.fileno())
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, len(content)):
            return content, before


def _names(place: str) -> Iterator[str]:
    """What a module in this file may be called: `src/a/b.py` is `a.b` or `src.a.b`."""
    *folders, last = place.split("/")
    stem = last.partition(".")[0]
    parts = folders if stem == "__init__" else [*folders, stem]
    yield ".".join(parts)
    if parts[:1] == ["src"]:
        yield ".".join(parts[1:])
