"""The step that this process is performing: set by the worker, looked up by what user code calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from noria.inside.spool import Spool
from noria.ports.slots import Slots
from noria.records.base import Digest
from noria.records.cards import Exhibit
from noria.records.runs import DataSource

if TYPE_CHECKING:
    from noria.artifacts import Artifacts
    from noria.inside.recall import Recall
    from noria.ports.objects import ObjectStore
    from noria.ports.outside import Outside


@dataclass
class Inside:
    """One step under way."""

    run: str
    step: str
    """With its item: `score[3]`."""
    project: Path
    artifacts: Artifacts
    slots: Slots
    spool: Spool
    door: Callable[[], Outside]
    """Opens the way to files beyond the project: only where it is used."""
    role: str = "step"
    fingerprint: Digest | None = None
    exhibits: list[Exhibit] = field(default_factory=list)
    sources: list[DataSource] = field(default_factory=list)
    """What it read outside, pinned."""
    recall: Recall | None = None
    """What a past run read outside, which the step is to read instead of the world as it is now."""

    @cached_property
    def outside(self) -> Outside:
        return self.door()

    def settle(self) -> None:
        """The step has ended well: raises where what it read lies otherwise by now."""
        if "outside" in vars(self):
            self.outside.settle()


class _Here:
    """A place that all threads of the process see: a step may start some."""

    inside: Inside | None = None
    store: ObjectStore | None = None


_here = _Here()


def current() -> Inside | None:
    """The step under way in this process; None outside of a worker."""
    return _here.inside


def objects() -> ObjectStore | None:
    """The object store of the run or the version whose code runs here; None where there is none."""
    return _here.store


def hold(store: ObjectStore) -> None:
    """Let references be read from a store: in a process that belongs to one, for the rest of its life."""
    _here.store = store


@contextmanager
def holding(store: ObjectStore) -> Iterator[None]:
    """The same until the block ends."""
    before = _here.store
    hold(store)
    try:
        yield
    finally:
        _here.store = before


@contextmanager
def performing(inside: Inside) -> Iterator[Inside]:
    """Let a step be the one under way until the block ends."""
    before, _here.inside = _here.inside, inside
    try:
        yield inside
    finally:
        _here.inside = before
        inside.spool.close()
