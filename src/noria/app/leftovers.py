"""What lies beside the objects and is needed no more: on this machine, and in the slots."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from noria.inside.checkpoints import FOLDER as CHECKPOINTS
from noria.records.base import Digest, Record

if TYPE_CHECKING:
    from noria.app.marking import Marks
    from noria.app.wiring import App
    from noria.ports.objects import Stored


class Leftover(Record, kw_only=True):
    """One kind of them."""

    kind: str
    count: int
    size: int
    """Bytes; 0 for what lies in the object store."""


@dataclass(frozen=True)
class Found:
    """One of them, and how to be rid of it."""

    kind: str
    path: Path | None = None
    slot: str = ""

    @property
    def size(self) -> int:
        return size_of(self.path) if self.path else 0


def found_on_disk(
    app: App, trees: Collection[Digest], runs: Collection[str], *, since: float, seconds: float
) -> Iterator[Found]:
    """Files that were last written before `since`: source trees that no kept version has, spools of runs that are not
    kept (`runs`: those that are, by name), and what workers that were killed had laid out for a step. Damaged objects,
    notes on files outside and outlines of code that nobody looked into for `seconds`."""
    from noria.pipeline.outlines import FOLDER as OUTLINES

    state = app.state
    names = {tree.removeprefix("blake3:") for tree in trees}
    for path in _in(state / "code"):
        if path.name not in names and _older(path, since):
            yield Found("source trees", path)
    for path in state.glob("spool/*/*"):
        if path.relative_to(state / "spool").as_posix() not in runs and _older(path, since):
            yield Found("spools", path)
    for path in _in(state / "scratch"):
        if _older(path, since):
            yield Found("laid out files", path)
    for path in _in(state / "outside"):
        if _older(path, time.time() - seconds):
            yield Found("notes on files outside", path)
    for path in _in(state / OUTLINES):
        if _older(path, time.time() - seconds):
            yield Found("outlines of code", path)
    for folder in (state / "corrupt", state / "cache" / "corrupt"):
        for path in _in(folder):
            if _older(path, time.time() - seconds):
                yield Found("damaged objects", path)


def stale_checkpoints(
    app: App, stored: Mapping[Digest, Stored], marks: Marks, *, since: float, seconds: float, unfinished: bool
) -> Iterator[Found]:
    """Marks what the others need. One is stale when nobody used it since then, and its step has a result; or it is as
    old as what the policy gives up, and no run is `unfinished` that could go on from it."""
    for name in app.slots.names(CHECKPOINTS):
        body = app.slots.get(name)
        if body is None:
            continue
        needed = marks.of(body)
        used = max((stored[digest].used for digest in needed if digest in stored), default=0.0)
        if used < since and (_finished(app, name) or (used < time.time() - seconds and not unfinished)):
            yield Found("checkpoints", slot=name)
        else:
            marks.digests |= needed


def remove_found(app: App, found: Collection[Found]) -> None:
    """A second time is harmless, and what cannot be removed stays for the next."""
    for one in found:
        if one.slot:
            app.slots.drop(one.slot)
        elif one.path is not None and one.path.is_dir():
            shutil.rmtree(one.path, ignore_errors=True)
        elif one.path is not None:
            one.path.unlink(missing_ok=True)


def told(found: Collection[Found]) -> tuple[Leftover, ...]:
    kinds = sorted({one.kind for one in found})
    of = {kind: [one for one in found if one.kind == kind] for kind in kinds}
    return tuple(
        Leftover(kind=kind, count=len(ones), size=sum(one.size for one in ones)) for kind, ones in of.items()
    )


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what goes meanwhile counts nothing."""
    total = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        try:
            total += file.lstat().st_size if not file.is_dir() else 0
        except OSError:
            continue
    return total


def _finished(app: App, name: str) -> bool:
    """Whether any model has a result of the checkpoint's step."""
    fingerprint = Digest(f"blake3:{name.rpartition('/')[2]}")
    models = app.records.versions.models()
    return any(app.records.runs.cached(model, fingerprint) is not None for model in models)


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _older(path: Path, since: float) -> bool:
    """Whether neither it nor anything right in it was written since; what is gone is of no interest."""
    try:
        return all(one.lstat().st_mtime < since for one in (path, *_in(path)))
    except OSError:
        return False
