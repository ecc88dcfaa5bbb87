"""What data steps read outside, beside each other: which files and snapshots were new, changed or gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from noria.errors import NotFound
from noria.records.base import Record, parse
from noria.records.profiles import Manifest, ManifestFile
from noria.records.runs import DataSource, DataVersion

if TYPE_CHECKING:
    from noria.app.wiring import App


class SourceDetail(Record, kw_only=True):
    """Something that was read, with its files."""

    source: DataSource
    manifest: Manifest | None = None
    """None for a table, and where it was given up since."""


class FileMoved(Record, kw_only=True):
    """A file that one side has otherwise, or has not."""

    path: str
    kind: Literal["added", "removed", "changed"]
    a: int | None = None
    """Bytes on each side."""
    b: int | None = None


class SourceChange(Record, kw_only=True):
    """Something that a data step read on both sides, or on one."""

    kind: str
    name: str
    a: DataSource | None = None
    b: DataSource | None = None
    files: tuple[FileMoved, ...] = ()
    gone: bool = False
    """Whether a manifest is kept no more, so that nobody can tell which files differ."""

    @property
    def same(self) -> bool:
        return bool(self.a and self.b and _identity(self.a) == _identity(self.b))


def read_sources(app: App, data: DataVersion) -> tuple[SourceDetail, ...]:
    """All that a data version was made of, as far as Noria saw it."""
    return tuple(SourceDetail(source=one, manifest=_manifest(app, one)) for one in data.sources)


def diff_sources(app: App, a: DataVersion | None, b: DataVersion | None) -> tuple[SourceChange, ...]:
    """Each source of both, paired by its name and by the order of reading."""
    left, right = _by_name(a), _by_name(b)
    return tuple(
        _change(app, name, left.get(name), right.get(name)) for name in dict.fromkeys((*left, *right))
    )


def _by_name(data: DataVersion | None) -> Mapping[tuple[str, str, int], DataSource]:
    found: dict[tuple[str, str, int], DataSource] = {}
    for one in data.sources if data else ():
        number = sum(name[:2] == (one.kind, one.name) for name in found)
        found[one.kind, one.name, number] = one
    return found


def _change(app: App, name: tuple[str, str, int], a: DataSource | None, b: DataSource | None) -> SourceChange:
    change = SourceChange(kind=name[0], name=name[1], a=a, b=b)
    if change.same or a is None or b is None or a.manifest is None or b.manifest is None:
        return change
    before, now = _manifest(app, a), _manifest(app, b)
    if before is None or now is None:
        return SourceChange(kind=name[0], name=name[1], a=a, b=b, gone=True)
    moved = tuple(_moved(before.files, now.files))
    return SourceChange(kind=name[0], name=name[1], a=a, b=b, files=moved)


def _moved(before: Sequence[ManifestFile], now: Sequence[ManifestFile]) -> Iterator[FileMoved]:
    old, new = ({file.path: file for file in files} for files in (before, now))
    for path in sorted(old.keys() | new.keys()):
        was, comes = old.get(path), new.get(path)
        if was is None and comes is not None:
            yield FileMoved(path=path, kind="added", b=comes.size)
        elif comes is None and was is not None:
            yield FileMoved(path=path, kind="removed", a=was.size)
        elif was is not None and comes is not None and was.digest != comes.digest:
            yield FileMoved(path=path, kind="changed", a=was.size, b=comes.size)


def _manifest(app: App, source: DataSource) -> Manifest | None:
    if source.manifest is None:
        return None
    try:
        return parse(app.store.get(source.manifest), Manifest)
    except NotFound:  # noria gc has given it up with its run
        return None


def _identity(source: DataSource) -> tuple[str, str]:
    return source.table, source.version
