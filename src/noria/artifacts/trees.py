"""A source tree back from the object store: the very files of a run, in a folder of their own."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

from noria.errors import BackendError, Corrupt
from noria.ports.objects import ObjectStore
from noria.records.base import Digest, digest_bytes, parse
from noria.records.sources import Tree, TreeFile


def materialise(tree: Digest, store: ObjectStore, into: Path) -> Path:
    """The folder under `into` that holds the files of `tree`, made unless it is there already, whole and unchanged.

    Safe for many processes at once: the folder is built beside its place and renamed, so nobody sees half of it.
    Files that were added to it later (bytecode) are left alone; one that was changed has the folder made anew.
    Raises `NotFound` or `Corrupt` when the store has lost a file, `UnsafeTree` for a path that leads out.
    """
    files = parse(store.get(tree), Tree).files
    _refuse_unsafe(tree, files)
    place = into / tree.removeprefix("blake3:")
    if place.is_dir():
        if all(_intact(place / file.path, file) for file in files):
            return place
        _discard(place)
    try:
        _build(files, store, place)
    except OSError as error:
        if not place.is_dir():  # else another process was faster, with the same files
            raise TreeNotBuilt(folder=str(place), reason=str(error)) from error
    return place


def _refuse_unsafe(tree: Digest, files: tuple[TreeFile, ...]) -> None:
    """No path may lead out of the folder, by its name or through a symbolic link of the same tree."""
    links = {file.path for file in files if stat.S_ISLNK(file.mode)}
    for file in files:
        path = PurePosixPath(file.path)
        plain = str(path) == file.path and "\0" not in file.path and path.parts
        inside = not path.is_absolute() and ".." not in path.parts
        if not plain or not inside or any(str(parent) in links for parent in path.parents):
            raise UnsafeTree(tree=tree, path=file.path)


def _intact(path: Path, file: TreeFile) -> bool:
    try:
        content = os.fsencode(path.readlink()) if stat.S_ISLNK(file.mode) else path.read_bytes()
    except OSError:  # gone, or of another kind: not what the tree says, whatever the reason
        return False
    return digest_bytes(content) == file.digest


def _discard(place: Path) -> None:
    """Take a changed folder away in one step, so that who comes meanwhile finds nothing instead of half."""
    aside = Path(tempfile.mkdtemp(dir=place.parent, prefix=".stale-"))
    with suppress(FileNotFoundError):  # another process found the same fault and was faster
        place.rename(aside / place.name)
    shutil.rmtree(aside)


def _build(files: tuple[TreeFile, ...], store: ObjectStore, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=place.parent, prefix=".making-"))
    try:
        made.chmod(0o755)  # a temporary folder is its owner's alone
        for file in files:
            _write(made / file.path, file, store.get(file.digest))
        made.rename(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)  # nothing is there any more once it was renamed


def _write(path: Path, file: TreeFile, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(file.mode):
        path.symlink_to(os.fsdecode(content))
    else:
        path.write_bytes(content)
        path.chmod(0o755 if file.mode & stat.S_IXUSR else 0o644)


@dataclass(eq=False)
class UnsafeTree(Corrupt):
    tree: str
    path: str
    code: ClassVar[str] = "TREE-UNSAFE"
    what: ClassVar[str] = "the source tree {tree} holds a path that leads out of its folder: {path!r}"
    next: ClassVar[str] = "do not run this version: its record was not made by Noria, or was changed since"


@dataclass(eq=False)
class TreeNotBuilt(BackendError):
    folder: str
    reason: str
    code: ClassVar[str] = "TREE-NOT-BUILT"
    what: ClassVar[str] = "the files of a source tree could not be written to {folder}: {reason}"
    next: ClassVar[str] = "make room, or give this user the right to write there, and try again"
