"""An environment held against what it was built or recorded as: packages, versions, and every installed file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from noria.app.environments.past import recorded, run_of
from noria.app.environments.read import Verified
from noria.app.environments.wanted import Wanted, wanted
from noria.errors import NotFound
from noria.source.environment import look

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.records.environments import Difference


@dataclass(eq=False)
class NotBuilt(NotFound):
    code: ClassVar[str] = "ENVIRONMENT-NOT-BUILT"
    what: ClassVar[str] = "the environment of {of} is not built, so there is nothing to verify"
    next: ClassVar[str] = "noria env build{argument}"
    of: str
    argument: str


def verify(app: App, text: str | None) -> Verified:
    """Look at every file of the environment that runs of this project, or of a past run, use. Raises `NotBuilt`."""
    if text is None:
        return _verified(
            app, "this project", wanted(app.project, app.policy, app.shelf), look(app.project).differs, ""
        )
    with recorded(app, run_of(app, text)) as past:
        if past.wanted is None and not past.here:
            past.build()
        return _verified(app, past.run.name, past.wanted, look(past.root).differs, f" {text}")


def _verified(
    app: App, of: str, wish: Wanted | None, differs: tuple[Difference, ...], argument: str
) -> Verified:
    if wish is None:
        return _here(app, of, differs)
    found = wish.found(app.shelf)
    if found is None:
        raise NotBuilt(of=of, argument=argument)
    packages, changed = app.shelf.inspected(found)
    return Verified(of=of, folder=str(found.folder), packages=packages, differs=tuple(changed))


def _here(app: App, of: str, differs: tuple[Difference, ...]) -> Verified:
    """This interpreter: against the lock, and its files against their packages' own lists."""
    packages, files = app.shelf.inspected(None)
    return Verified(of=of, folder=sys.prefix, packages=packages, differs=(*differs, *files))
