"""Files and folders that a step made, and figures it drew."""

from __future__ import annotations

import io
import itertools
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.kinds import kind_of
from noria.records.artifacts import Artifact
from noria.records.base import Digest, Record, canonical, parse
from noria.records.sources import TreeFile

CHUNK = 1 << 22  # bytes read at once
READ, RUN = 0o444, 0o555
_views = itertools.count()


class Listing(Record):
    """What is stored for a path: its files by their path below it (`.` for a file itself).

    A folder's own name is left out, for it is often a temporary one, and would give each run another digest.
    """

    name: str
    folder: bool
    files: tuple[TreeFile, ...]


class PathCodec:
    """A file's bytes under its name; a folder's files below it, links followed, empty folders left out.

    It comes back as a read-only path in a folder of this process, made of links to the stored objects.
    """

    name = "path"
    version = 1

    def fits(self, value: object) -> bool:
        return kind_of(value) == "pathlib.Path"

    def save(self, value: Path, shelf: Shelf) -> Artifact:
        found = list(_files(value))
        sizes = [file.stat().st_size for file, _ in found]
        files = tuple(_stored(file, name, shelf) for file, name in found)
        folder = value.is_dir()
        listing = Listing(name="" if folder else value.name, folder=folder, files=files)
        digest = shelf.store.put(canonical(listing))
        return Artifact(digest=digest, codec=spelled(self), size=sum(sizes), type="pathlib.Path")

    def load(self, artifact: Artifact, shelf: Shelf) -> Path:
        listing = _listing(artifact, shelf)
        place = shelf.scratch() / f"{artifact.digest[7:23]}-{next(_views)}" / listing.name
        for file in listing.files:
            give(shelf.store.path(file.digest), place / file.path, file.mode)
        if listing.folder:
            place.mkdir(parents=True, exist_ok=True)
        return place

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return tuple(file.digest for file in _listing(artifact, shelf).files)


class FigureCodec:
    """Whatever has `savefig`, as a PNG without the date and version that matplotlib writes. Comes back as bytes."""

    name = "png"
    version = 1

    def fits(self, value: object) -> bool:
        return callable(getattr(type(value), "savefig", None))

    def save(self, value: Any, shelf: Shelf) -> Artifact:
        picture = io.BytesIO()
        value.savefig(picture, format="png", metadata={"Software": None})
        digest = shelf.store.put(picture.getbuffer())
        return Artifact(digest=digest, codec=spelled(self), size=picture.tell(), type="image/png")

    def load(self, artifact: Artifact, shelf: Shelf) -> bytes:
        return shelf.store.get(artifact.digest)

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


class BytesCodec:
    """A long binary string, as it is."""

    name = "bytes"
    version = 1

    def fits(self, value: object) -> bool:
        return type(value) is bytes

    def save(self, value: bytes, shelf: Shelf) -> Artifact:
        return Artifact(digest=shelf.store.put(value), codec=spelled(self), size=len(value), type="bytes")

    def load(self, artifact: Artifact, shelf: Shelf) -> bytes:
        return shelf.store.get(artifact.digest)

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return ()


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Each file with its path below; sorted, so that a folder's order on the disk does not matter."""
    if path.is_file():
        yield path, "."
        return
    if not path.is_dir():
        raise CannotStore(type="a path", reason="there is no file or folder", where=str(path))
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(folder) / name
            if not file.is_file():
                raise CannotStore(type="a path", reason="it is no regular file", where=str(file))
            yield file, PurePosixPath(file.relative_to(path)).as_posix()
        for name in folders:
            if (Path(folder) / name).is_symlink():
                raise CannotStore(
                    type="a path", reason="it is a link to a folder", where=str(Path(folder) / name)
                )


def _stored(file: Path, name: str, shelf: Shelf) -> TreeFile:
    with file.open("rb") as source, shelf.store.writer() as sink:
        while chunk := source.read(CHUNK):
            sink.write(chunk)
    mode = RUN if os.access(file, os.X_OK) and file.stat().st_mode & 0o100 else READ
    return TreeFile(path=name, digest=sink.digest, mode=mode)


def _listing(artifact: Artifact, shelf: Shelf) -> Listing:
    return parse(shelf.store.get(artifact.digest), Listing)


def give(source: Path, place: Path, mode: int) -> None:
    """A link to the object; a copy where links do not reach or the file must be one that runs."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if mode == READ:
        try:
            place.hardlink_to(source)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, place)
            place.chmod(mode)
    else:
        shutil.copyfile(source, place)
        place.chmod(mode)
