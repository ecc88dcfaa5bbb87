"""Environments for a reader: of a project or a run, all that are built; and two of them side by side."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from noria.app.environments.groups import of_group
from noria.app.environments.packages import PackageChange, Packages, changes, named, packages
from noria.app.environments.past import recorded, run_of
from noria.app.environments.wanted import Wanted, wanted
from noria.records.base import Record, parse
from noria.records.environments import Built, Difference
from noria.records.sources import Environment
from noria.source.applied import groups_of
from noria.source.environment import listing, look

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.ports.environments import Shelf, Shelved
    from noria.records.runs import Run


class GroupView(Record, kw_only=True):
    """A dependency group that steps may run in."""

    name: str
    address: str
    built: str | None = None
    """The folder; None: not yet."""


class EnvironmentView(Record, kw_only=True):
    """An environment, and where it can be run in."""

    of: str
    """`this project`, or a run's name."""
    environment: Environment
    """As it is, or was, recorded."""
    packages: dict[str, str] = {}
    """Name to version: all that the digest stands for. Of a lock, those for other platforms and groups too."""
    interpreter: str
    """The one that runs noria."""
    here: bool
    """Whether that one is the environment."""
    differs: tuple[Difference, ...] = ()
    """What that one has otherwise than the lock."""
    address: str | None = None
    """Of the built environment that takes its place."""
    built: str | None = None
    """Its folder; None: it is not built yet, or none is needed."""
    why_not: str = ""
    """Why it cannot be rebuilt."""
    groups: tuple[GroupView, ...] = ()


class ShelvedView(Record, kw_only=True):
    """A built environment."""

    address: str
    folder: str
    lock: str
    group: str | None = None
    python: str
    packages: int
    size: int
    """Bytes of its files; those that uv has linked from its cache lie on the disk once."""
    built: datetime
    used: datetime


class Verified(Record, kw_only=True):
    """An environment, file by file."""

    of: str
    folder: str
    packages: int
    differs: tuple[Difference, ...] = ()


class EnvironmentDiff(Record, kw_only=True):
    """Two environments side by side; each part holds only what differs."""

    a: str
    b: str
    facts: dict[str, tuple[str, str]] = {}
    """Python, implementation, platform, lock."""
    packages: tuple[PackageChange, ...] | None = ()
    """None: the list of one side is not kept."""


def show(app: App, text: str | None) -> EnvironmentView:
    """The project's environment as a run would have it now, or that of a past run or version. Builds nothing."""
    return _of_project(app) if text is None else _of_run(app, run_of(app, text))


def shelved(shelf: Shelf) -> tuple[ShelvedView, ...]:
    """All that are built, the last used first."""
    return tuple(_view(shelf, one) for one in shelf.all())


def prune(shelf: Shelf, unused: timedelta, now: datetime, *, dry_run: bool) -> tuple[ShelvedView, ...]:
    """Remove those that nobody has begun to run in for so long, unless they are in use; with what killed builders
    have left."""
    old = [one for one in shelf.all() if now - one.used >= unused]
    if dry_run:
        return tuple(_view(shelf, one) for one in old)
    shelf.sweep()
    views = [(one, _view(shelf, one)) for one in old]
    return tuple(view for one, view in views if shelf.remove(one))


def beside(app: App, a: str, b: str | None) -> EnvironmentDiff:
    """Two runs or versions; with one, what the project has now against it."""
    first, second = _side(app, a), _side(app, b)
    (left, these), (right, those) = first, second
    facts = {
        name: (str(getattr(left, name)), str(getattr(right, name)))
        for name in ("python", "implementation", "platform", "lock")
        if getattr(left, name) != getattr(right, name)
    }
    differing = None if these is None or those is None else changes(these, those)
    return EnvironmentDiff(a=a, b=b or "this project", facts=facts, packages=differing)


def wish_of(app: App, text: str | None) -> Wanted | None:
    """What `noria env build` has to build for a project (None), a group, or within `recorded` for a run; None where
    this interpreter is it already."""
    return wanted(app.project, app.policy, app.shelf) if text is None else of_group(app, text, app.project)


def _of_project(app: App) -> EnvironmentView:
    seen = look(app.project)
    wish = wanted(app.project, app.policy, app.shelf)
    place = wish.place if wish else seen.environment
    found = wish.found(app.shelf) if wish else None
    return EnvironmentView(
        of="this project",
        environment=place,
        packages=_versions(_here(app, place)),
        interpreter=sys.executable,
        here=wish is None,
        differs=seen.differs,
        address=_address(wish),
        built=str(found.folder) if found else None,
        groups=_groups(app, seen.lock),
    )


def _of_run(app: App, run: Run) -> EnvironmentView:
    with recorded(app, run) as past:
        found = past.wanted.found(app.shelf) if past.wanted else None
        tree = run.asked.provenance.source.tree
        return EnvironmentView(
            of=run.name,
            environment=past.place,
            packages=_versions(packages(app, past.place, tree) or {}),
            interpreter=sys.executable,
            here=past.here,
            differs=() if past.here else look(past.root).differs,
            address=_address(past.wanted),
            built=str(found.folder) if found else None,
            why_not=past.why_not,
        )


def _groups(app: App, lock: str | None) -> tuple[GroupView, ...]:
    names = groups_of(app.project, lock) if lock else []
    wishes = [(name, of_group(app, name, app.project)) for name in names]
    return tuple(_group(app, name, wish) for name, wish in wishes)


def _group(app: App, name: str, wish: Wanted) -> GroupView:
    found = wish.found(app.shelf)
    return GroupView(name=name, address=str(_address(wish)), built=str(found.folder) if found else None)


def _address(wish: Wanted | None) -> str | None:
    return wish.recipe.address if wish else None


def _here(app: App, place: Environment) -> Packages:
    return named(parse(listing(app.project, place), list[tuple[str, str, list[str]]]), place.beside)


def _side(app: App, text: str | None) -> tuple[Environment, Packages | None]:
    if text is None:
        view = _of_project(app)
        return view.environment, _here(app, view.environment)
    run = run_of(app, text)
    place = run.asked.provenance.environment
    return place, packages(app, place, run.asked.provenance.source.tree)


def _versions(found: Packages) -> dict[str, str]:
    return {name: version for name, (version, _) in sorted(found.items())}


def _view(shelf: Shelf, one: Shelved) -> ShelvedView:
    made: Built = one.built
    return ShelvedView(
        address=made.recipe.address,
        folder=str(one.folder),
        lock=made.environment.lock or "",
        group=made.group,
        python=made.recipe.python,
        packages=len(made.packages),
        size=shelf.size(one),
        built=made.built,
        used=one.used,
    )
