"""What a past run read outside, for a data step that runs once more on it: the recorded bytes and snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from noria.artifacts.filed import Files, layer
from noria.errors import Conflict, NotFound
from noria.records.base import parse
from noria.records.profiles import Manifest
from noria.records.runs import DataSource

if TYPE_CHECKING:
    from noria.artifacts import Artifacts


@dataclass(eq=False)
class SourceGone(NotFound):
    code: ClassVar[str] = "SOURCE-GONE"
    what: ClassVar[str] = "what {run} read as {name} is kept no more: {missing}"
    next: ClassVar[str] = (
        "name a run whose files are kept (--of RUN; `noria gc` tells which it keeps), or restore them from a backup"
    )
    run: str
    name: str
    missing: Sequence[str]


@dataclass(eq=False)
class SourceMoved(Conflict):
    code: ClassVar[str] = "SOURCE-MOVED"
    what: ClassVar[str] = (
        "of {name}, {run} kept digests alone (keep=False), and these files are others by now: {files}"
    )
    next: ClassVar[str] = (
        "put them back as they were, or read them without keep=False: then later runs keep them"
    )
    run: str
    name: str
    files: Sequence[str]


@dataclass
class Recall:
    """What one data step of a past run read outside."""

    run: str
    sources: Sequence[DataSource]
    """In the order in which they were read."""
    new: Callable[[str], None]
    """Hears of what that run did not read, and what is therefore read as it is now."""
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of(self, kind: str, name: str, version: str | None = None) -> DataSource | None:
        """What that run read under this name, or None. A name that it read several times is given in that order, and
        one that is asked for more often as at the last time. `version`: the code names one, and takes no other."""
        found = [one for one in self.sources if (one.kind, one.name) == (kind, name)]
        if version is not None:
            found = [one for one in found if one.version == version]
        if not found:
            word = "snapshot" if kind == "iceberg" else "version"
            self.new(f"{kind} {name}" + (f" {word} {version}" if version is not None else ""))
            return None
        self._asked[kind, name] += 1
        return found[min(self._asked[kind, name], len(found)) - 1]

    def files(self, source: DataSource, artifacts: Artifacts, now: Callable[[], Files]) -> Files:
        """The files of a source, as that run read them. `now` reads those of which digests alone were kept. Raises
        `SourceGone`, `SourceMoved`."""
        manifest = self._manifest(source, artifacts)
        missing = [file.path for file in manifest.files if not artifacts.store.has(file.digest)]
        if not missing:
            return _laid(manifest, artifacts)
        if manifest.kept:
            raise SourceGone(run=self.run, name=source.name, missing=missing)
        found = now()
        if moved := _moved(manifest, found):
            raise SourceMoved(run=self.run, name=source.name, files=moved)
        return found

    def _manifest(self, source: DataSource, artifacts: Artifacts) -> Manifest:
        if source.manifest is None or not artifacts.store.has(source.manifest):
            raise SourceGone(run=self.run, name=source.name, missing=["the list of its files"])
        return parse(artifacts.store.get(source.manifest), Manifest)


def _laid(manifest: Manifest, artifacts: Artifacts) -> Files:
    place, lay = layer(artifacts)
    for file in manifest.files:
        lay(file.path, artifacts.store.path(file.digest))
    return Files(place, manifest.files, kept=True)


def _moved(manifest: Manifest, now: Files) -> list[str]:
    """Changed, gone or come."""
    before, after = ({file.path: file.digest for file in files} for files in (manifest.files, now.files))
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
