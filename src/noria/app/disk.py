"""What lies on the disk, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from noria.app.gc import plan
from noria.app.leftovers import size_of
from noria.app.marking import Marks
from noria.app.reached import objects_of, past_of
from noria.records.base import Digest, Record

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.ports.objects import Sweepable

BESIDE = {
    "cache of the bucket": "cache",
    "source trees of versions": "code",
    "outlines of code": "outlines",
    "figures under way": "spool",
    "damaged objects": "corrupt",
    "answers of services": "log",
}
"""Folders of a project's state that hold no objects, in a reader's words."""


class ModelDisk(Record, kw_only=True):
    """What one model's records name."""

    model: str
    objects: int
    size: int
    shared: int = 0
    """Bytes of it that another model's records name, too."""
    given_up: int = 0
    """Bytes that `noria gc` would free in its name."""


class Beside(Record, kw_only=True):
    """A folder beside the objects."""

    what: str
    size: int


class DiskUse(Record, kw_only=True):
    """All objects, each counted once, and what lies beside them on this machine."""

    models: tuple[ModelDisk, ...]
    objects: int
    size: int
    shared: int
    """Bytes that more than one model names."""
    nobodys: int
    """Bytes that no record names: of runs that were given up or broke off, and of what was only looked at."""
    freeable: int
    """Bytes that `noria gc` would free now."""
    waiting: int
    """Bytes that it would free in a day."""
    beside: tuple[Beside, ...] = ()


def disk(app: App) -> DiskUse:
    """Reads every record and lists every object: seconds for 10,000 runs."""
    stored = {one.digest: one.size for one in cast("Sweepable", app.store).stored()}
    marks = Marks(app.artifacts)
    named = {model: _named(app, model, marks) & stored.keys() for model in app.records.versions.models()}
    told = plan(app, None, app.policy.keep).told
    free = {share.model: share.size for share in told.shares}
    times: dict[Digest, int] = {}
    for digests in named.values():
        for digest in digests:
            times[digest] = times.get(digest, 0) + 1
    total = sum(stored.values())
    return DiskUse(
        models=tuple(
            ModelDisk(
                model=model,
                objects=len(digests),
                size=sum(stored[digest] for digest in digests),
                shared=sum(stored[digest] for digest in digests if times[digest] > 1),
                given_up=free.get(model, 0),
            )
            for model, digests in named.items()
        ),
        objects=len(stored),
        size=total,
        shared=sum(stored[digest] for digest, count in times.items() if count > 1),
        nobodys=total - sum(stored[digest] for digest in times),
        freeable=told.size,
        waiting=told.waiting_size,
        beside=tuple(
            Beside(what=what, size=size)
            for what, folder in BESIDE.items()
            if (size := size_of(app.state / folder))
        ),
    )


def _named(app: App, model: str, marks: Marks) -> set[Digest]:
    past = past_of(app, model)
    return objects_of(app, past, [run.number for run, _, _ in past.runs], marks)
