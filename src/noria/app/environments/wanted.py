"""Which interpreter a command has to run in: this one, or one that is built from the project's lock."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from noria.errors import Bug, Conflict
from noria.records.environments import Difference, Recipe
from noria.records.policy import Policy
from noria.records.sources import Environment
from noria.source.environment import look

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.ports.environments import Shelf, Shelved


@dataclass(eq=False)
class LockMoved(Conflict):
    code: ClassVar[str] = "LOCK-MOVED"
    what: ClassVar[str] = "this process does not run in what {lock} says: {differs}"
    next: ClassVar[str] = (
        "start the command anew: it goes on in the environment of the lock; or take what is installed: [environment] "
        'build = "current"'
    )
    lock: str
    differs: Sequence[Difference]


@dataclass(eq=False)
class NotItself(Bug):
    code: ClassVar[str] = "ENVIRONMENT-CHANGED"
    what: ClassVar[str] = (
        "the environment in {folder} was built from {lock} and is not what it says any more: {differs}"
    )
    next: ClassVar[str] = (
        "remove that folder: it is built anew; built environments are not to be installed into"
    )
    folder: str
    lock: str
    differs: Sequence[Difference]


@dataclass(frozen=True)
class Wanted:
    """An environment that is not this interpreter's."""

    project: Path
    recipe: Recipe
    place: Environment
    group: str | None = None
    differs: tuple[Difference, ...] = ()
    """What this interpreter has otherwise."""

    def found(self, shelf: Shelf) -> Shelved | None:
        """None: it is not built yet."""
        return shelf.find(self.recipe)

    def built(self, shelf: Shelf) -> Shelved:
        """Built now, unless it is there. Raises what `Shelf.build` raises."""
        return shelf.build(self.recipe, self.place, self.project, self.group)


def wanted(project: Path, policy: Policy, shelf: Shelf, drives: Iterable[str] = ()) -> Wanted | None:
    """The environment that this project's runs need, as its policy says; None: this interpreter. `drives`: extras of
    Noria that the command needs. Raises what `recipe` raises."""
    build = policy.environment.build
    if build == "current":
        return None
    seen = look(project)
    if build == "auto" and not seen.differs:
        return None
    inside = shelf.here()
    if inside and seen.lock and not seen.differs:  # that of a group, for a single step, among them
        return None
    from noria.source.recipe import recipe

    made, place = recipe(project, drives=[*drives, *drives_of(policy)])
    if inside and inside.recipe == made:
        raise NotItself(folder=sys.prefix, lock=seen.lock or "", differs=seen.differs)
    return Wanted(project, made, place, differs=seen.differs)


def require(app: App, place: Environment) -> None:
    """Raises `LockMoved` for a process that records `place`, the project having a lock that it does not follow."""
    if place.lock is None and app.policy.environment.build != "current":
        seen = look(app.project)
        if seen.lock:
            raise LockMoved(lock=seen.lock, differs=seen.differs)


def drives_of(policy: Policy) -> Iterator[str]:
    """Extras of Noria by which it reaches the back ends of a project."""
    records = os.environ.get("NORIA_RECORDS") or policy.store.records or ""
    objects = os.environ.get("NORIA_OBJECTS") or policy.store.objects or ""
    if records.startswith("postgres"):
        yield "postgres"
    if objects.partition("://")[0] in ("s3", "gs", "az"):
        yield "s3"
    if policy.engine.kind == "ray":
        yield "ray"
