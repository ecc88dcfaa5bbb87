"""Files that a data step found outside, as a value: ordinary paths, each with the digest of its bytes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from noria.artifacts.codec import CannotStore, Shelf, spelled
from noria.artifacts.files import CHUNK, READ, give
from noria.records.artifacts import Artifact
from noria.records.base import Digest, Record, canonical, parse
from noria.records.profiles import ManifestFile

CODEC = "files"
_views = itertools.count()


class Files(list[Path]):
    """What `noria.files` found, sorted by name: a list of paths for whatever reads files (polars, pyarrow, PIL).

    Returned from a data step, it goes to other steps as the same bytes under the same names.
    """

    def __init__(self, root: Path, files: Sequence[ManifestFile], *, kept: bool) -> None:
        super().__init__(root / file.path for file in files)
        self.root = root
        """The folder that the names are beneath."""
        self.files = tuple(files)
        """Name, digest and size of each."""
        self.kept = kept
        """Whether the bytes lie in the object store."""

    @property
    def names(self) -> list[str]:
        """Paths beneath the root, with forward slashes."""
        return [file.path for file in self.files]

    @property
    def references(self) -> list[str]:
        """For a column of a table: what `noria.read` gives the bytes of, in any later step."""
        return [str(file.digest) for file in self.files]

    def _fixed(self, *_: object, **__: object) -> NoReturn:
        raise TypeError(
            "the files of a data step are pinned: make a list of your own, list(files), to change it"
        )

    append = extend = insert = remove = pop = clear = sort = reverse = _fixed
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _fixed


class _Name(Record):
    path: str
    digest: Digest
    size: int


class FilesCodec:
    """Canonical JSON: names and digests; the bytes are objects of their own. Where they came from is not in it: the
    same files from elsewhere are the same value."""

    name = CODEC
    version = 1

    def fits(self, value: object) -> bool:
        return type(value) is Files

    def save(self, value: Files, shelf: Shelf) -> Artifact:
        if not value.kept:
            for path, file in zip(value, value.files, strict=True):
                _store(path, file, shelf)
        body = canonical([_Name(path=file.path, digest=file.digest, size=file.size) for file in value.files])
        return Artifact(
            digest=shelf.store.put(body),
            codec=spelled(self),
            size=sum(file.size for file in value.files),
            type="noria.Files",
        )

    def load(self, artifact: Artifact, shelf: Shelf) -> Files:
        listed = _listed(artifact, shelf)
        place, lay = layer(shelf)
        for one in listed:
            lay(one.path, shelf.store.path(one.digest))
        return Files(
            place,
            [ManifestFile(path=one.path, digest=one.digest, size=one.size) for one in listed],
            kept=True,
        )

    def holds(self, artifact: Artifact, shelf: Shelf) -> Iterable[Digest]:
        return tuple(one.digest for one in _listed(artifact, shelf))


def layer(shelf: Shelf) -> tuple[Path, Callable[[str, Path], None]]:
    """A fresh folder, and what lays a file there under its name: a link where links reach."""
    place = shelf.scratch() / f"files-{next(_views)}"
    return place, lambda name, source: give(source, place / name, READ)


def _store(path: Path, file: ManifestFile, shelf: Shelf) -> None:
    """Of what was not kept when it was read: it is now, if it still is what was read."""
    with path.open("rb") as source, shelf.store.writer() as sink:
        while chunk := source.read(CHUNK):
            sink.write(chunk)
    if sink.digest != file.digest:
        raise CannotStore(
            type="noria.Files", reason="the file has changed since it was read", where=str(path)
        )


def _listed(artifact: Artifact, shelf: Shelf) -> list[_Name]:
    return parse(shelf.store.get(artifact.digest), list[_Name])
