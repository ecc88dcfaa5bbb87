"""The environments that single steps name, by their dependency groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.environments.wanted import Wanted, drives_of
from noria.pipeline.prepared import Prepared
from noria.records.sources import Environment
from noria.source.environment import group_listing, lock_of, of_lock

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.declare import Resolved
    from noria.pipeline.listen import Listener
    from noria.ports.objects import ObjectStore

Prepareds = Mapping[str | None, Prepared]


def groups(resolved: Resolved, project: Path, store: ObjectStore) -> dict[str, Environment]:
    """What the steps' own environments are, by group; their lists of packages go to the store. Builds nothing. Raises
    `NoLock` and `NoGroup`."""
    found = {}
    for step in resolved.order:
        name = step.running.environment
        if name is not None and name not in found:
            if lock_of(project) is None:
                from noria.source.recipe import NoLock

                raise NoLock(where=f"{project} (step {step.name} names environment {name!r})")
            found[name] = of_lock(project, group=name)
            store.put(group_listing(project, found[name], name))
    return found


def foreseen(places: Mapping[str, Environment]) -> dict[str | None, Prepared]:
    """As if they were built: for a forecast."""
    return {name: Prepared(None, place) for name, place in places.items()}


@contextmanager
def prepared(
    app: App, places: Mapping[str, Environment], listener: Listener, project: Path | None = None
) -> Iterator[Prepareds]:
    """Each group's environment, built where it was not, and in use until the block ends. `project`: the files of a past
    run, whose environments are those of its record; None: the app's own."""
    made: dict[str | None, Prepared] = {}
    with ExitStack() as stack:
        for name, place in places.items():
            wish = of_group(app, name, project or app.project, place if project else None)
            if wish.found(app.shelf) is None:
                listener.output("environment", f"building that of group {name}")
            shelved = wish.built(app.shelf)
            stack.enter_context(app.shelf.using(shelved))
            made[name] = Prepared(shelved.python, place)
        yield made


def of_group(app: App, name: str, project: Path, recorded: Environment | None = None) -> Wanted:
    from noria.source.recipe import recipe

    made, place = recipe(project, group=name, drives=drives_of(app.policy), recorded=recorded)
    return Wanted(project, made, place, group=name)
