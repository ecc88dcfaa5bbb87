"""Files that a data step reads, pinned: `noria.files("data/*.parquet")`, `noria.files("s3://bucket/2024/**/*.csv")`."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote_to_bytes

from noria.artifacts.filed import Files, layer
from noria.errors import NotFound, UsageError
from noria.inside.context import Inside, current, objects
from noria.inside.reading import recorded
from noria.inside.walk import found
from noria.records.base import Digest, canonical, digest_of
from noria.records.patterns import SCHEMES, Pattern, pattern_of
from noria.records.profiles import Manifest, ManifestFile
from noria.records.runs import DataSource

DIGEST = "blake3:"
HEX = 64


BELOW_PROJECT = "correct the name, which is taken from the project's folder"


@dataclass(eq=False)
class NoFiles(NotFound):
    code: ClassVar[str] = "FILES-NONE"
    what: ClassVar[str] = "there is no file {pattern}"
    next: ClassVar[str] = "{rule}: `*` stays within a folder, and `**` does not"
    pattern: str

    def facts(self) -> dict[str, object]:
        below = "are they there? Else correct the address" if "://" in self.pattern else BELOW_PROJECT
        return {**super().facts(), "rule": below}


@dataclass(eq=False)
class BadFilesUrl(UsageError):
    code: ClassVar[str] = "FILES-URL"
    what: ClassVar[str] = "noria.files cannot read {url}: {why}"
    next: ClassVar[str] = "name local files, s3://bucket/..., gs://bucket/... or az://container/...; {fix}"
    url: str
    why: str
    fix: str = "fetch what lies elsewhere into one of these first"


@dataclass(eq=False)
class NotARun(UsageError):
    code: ClassVar[str] = "FILES-OUTSIDE"
    what: ClassVar[str] = "noria.files({url!r}) was called outside of a run, where no bucket is read"
    next: ClassVar[str] = "in a test, name local files: make the address a parameter of the step"
    url: str


@dataclass(eq=False)
class BadReference(UsageError):
    code: ClassVar[str] = "FILES-REFERENCE"
    what: ClassVar[str] = "noria.read was given {given!r}, {why}"
    next: ClassVar[str] = (
        "give a reference of noria.files(...).references, or the bytes themselves as data:;base64,..."
    )
    given: str
    why: str


def files(pattern: str | os.PathLike[str], *, keep: bool = True) -> Files:
    """The files that a name stands for, pinned by their digests in the record of the run: a file, a folder with all
    below it, or a pattern (`data/**/*.csv`), relative to the project's folder; or one of these in a bucket. For data
    steps; hidden files are left out.

    A list of ordinary paths. They lead to the very bytes that were pinned, kept in the object store; with
    `keep=False` only digests are kept, local files are read where they lie, and one that changes before the step ends
    fails it. Returned from the step, files go to later steps, and are kept in any case. Outside of a run nothing is
    pinned. Raises `NoFiles`, `BadFilesUrl`, `FileChanged`, `FileGone`, `FileUnreadable`, and what a bucket's service
    says.
    """
    inside, text = current(), os.fspath(pattern)
    named = _named(text, inside.project if inside else Path.cwd())
    if inside is None:
        return _unpinned(named)
    with recorded(inside, f"noria.files({text!r})") as sources:
        past = inside.recall.of("files", _called(inside, named)) if inside.recall else None
        if inside.recall and past:
            sources.append(past)
            return inside.recall.files(past, inside.artifacts, lambda: _now(inside, named, keep=False).files)
        taken = _now(inside, named, keep)
        sources.append(_source(inside, named, taken))
    return taken.files


def read(reference: str) -> bytes:
    """The bytes that a reference stands for: one of `noria.files(...).references`, in any step of a run; or an address
    that holds them (`data:image/png;base64,...`), as a request to a service does. Nothing else is opened. Raises
    `BadReference`, and `NotFound` for what is kept no more."""
    if reference.startswith("data:"):
        return _of_address(reference)
    if not reference.startswith(DIGEST) or len(reference) != len(DIGEST) + HEX:
        raise BadReference(given=reference[:80], why="which is no reference")
    store = objects()
    if store is None:
        raise BadReference(given=reference, why="and outside of a run there is no store to look in")
    return store.get(Digest(reference))


@dataclass(frozen=True)
class _Taken:
    root: str
    files: Files


def _named(text: str, project: Path) -> Pattern:
    scheme, separator, rest = text.partition("://")
    if scheme == "file" and separator:
        return _named(rest, project)
    if not separator:
        path = project / text
        return pattern_of(str(path), literal=os.path.lexists(path))
    bare = pattern_of(text).text
    if scheme not in SCHEMES:
        raise BadFilesUrl(url=bare, why=f"{scheme}:// is not known")
    if "@" in rest.partition("/")[0]:
        raise BadFilesUrl(url=bare, why="it holds credentials", fix="credentials stand in the environment")
    return pattern_of(text)


def _unpinned(named: Pattern) -> Files:
    """As in a unit test: paths as they are, with references that hold the bytes."""
    if named.scheme:
        raise NotARun(url=named.text)
    root, names = _found(named)
    return Unpinned(root, [_file(root, name) for name in names])


def _file(root: Path, name: str) -> ManifestFile:
    return ManifestFile(path=name, digest=Digest(""), size=(root / name).stat().st_size)


class Unpinned(Files):
    """Files outside of a run."""

    def __init__(self, root: Path, files: Sequence[ManifestFile]) -> None:
        super().__init__(root, files, kept=False)

    @property
    def references(self) -> list[str]:
        return [f"data:;base64,{base64.b64encode(path.read_bytes()).decode()}" for path in self]


def _found(named: Pattern) -> tuple[Path, list[str]]:
    root, names = found(named)
    if not names:
        raise NoFiles(pattern=named.text)
    return root, names


def _now(inside: Inside, named: Pattern, keep: bool) -> _Taken:
    return _remote(inside, named, keep) if named.scheme else _local(inside, named, keep)


def _local(inside: Inside, named: Pattern, keep: bool) -> _Taken:
    root, names = _found(named)
    place, lay = layer(inside.artifacts)
    pinned = inside.outside.local(named, root, names, keep=keep, lay=lay)
    return _Taken(_known_as(root, inside.project), Files(place if keep else root, pinned, kept=keep))


def _remote(inside: Inside, named: Pattern, keep: bool) -> _Taken:
    place, lay = layer(inside.artifacts)
    root, pinned = inside.outside.remote(named, keep=keep, lay=lay)
    if not pinned:
        raise NoFiles(pattern=named.text)
    return _Taken(root, Files(place, pinned, kept=keep))


def _known_as(root: Path, project: Path) -> str:
    """From the project's folder, where it lies in there: the same on another machine."""
    return root.relative_to(project).as_posix() if root.is_relative_to(project) else str(root)


def _called(inside: Inside, named: Pattern) -> str:
    """What the record calls it."""
    return named.text if named.scheme else _known_as(Path(named.text), inside.project)


def _source(inside: Inside, named: Pattern, taken: _Taken) -> DataSource:
    pinned, store = taken.files.files, inside.artifacts.store
    manifest = Manifest(root=taken.root, pattern=named.below, files=pinned, kept=taken.files.kept)
    return DataSource(
        kind="files",
        name=_called(inside, named),
        version=digest_of([[file.path, file.digest] for file in pinned]),
        manifest=store.put(canonical(manifest)),
    )


def _of_address(address: str) -> bytes:
    head, comma, body = address.partition(",")
    if not comma:
        raise BadReference(given=address[:80], why="which holds no bytes")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise BadReference(given=address[:80], why="which is no base64") from error
