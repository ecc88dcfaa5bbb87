"""Named bytes in a folder: the newest value of each, replaced as a whole."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from noria.errors import BackendError, Bug

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*(/[A-Za-z0-9_][A-Za-z0-9_.@+-]*)*")
FOLDER = "slots"


@dataclass(eq=False)
class BadSlot(Bug):
    code: ClassVar[str] = "SLOT-NAME"
    what: ClassVar[str] = "{name!r} is no name of a slot"
    next: ClassVar[str] = "report this with the command that you ran"
    name: str


@dataclass(eq=False)
class SlotFailed(BackendError):
    code: ClassVar[str] = "SLOT-FAILED"
    what: ClassVar[str] = "the slot {name} in {place} cannot be used: {reason}"
    next: ClassVar[str] = "check free space and permissions of {place}"
    name: str
    place: str
    reason: str


def checked(name: str) -> str:
    """The name, when it is a path of plain words; raises `BadSlot`."""
    if not NAME.fullmatch(name):
        raise BadSlot(name)
    return name


class FolderSlots:
    """See `noria.ports.slots.Slots`. A value is a file, written beside and moved into its place."""

    def __init__(self, root: Path) -> None:
        self._root = root / FOLDER

    def put(self, name: str, data: bytes) -> None:
        path = self._root / checked(name)
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_through(beside, data)
            beside.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            with suppress(OSError):  # mostly that it was never made
                beside.unlink()
            raise SlotFailed(name, str(self._root), error.strerror or str(error)) from error

    def get(self, name: str) -> bytes | None:
        try:
            return (self._root / checked(name)).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SlotFailed(name, str(self._root), error.strerror or str(error)) from error

    def names(self, folder: str) -> Sequence[str]:
        base = self._root / checked(folder)
        found = (path for path in base.rglob("*") if path.is_file() and not path.name.startswith("."))
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def drop(self, name: str) -> None:
        try:
            (self._root / checked(name)).unlink(missing_ok=True)
        except OSError as error:
            raise SlotFailed(name, str(self._root), error.strerror or str(error)) from error


def _write_through(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
