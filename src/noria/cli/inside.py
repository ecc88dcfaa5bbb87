"""A command goes on in the environment that the project's lock describes, where it does not stand in it.

The process stays the same, with its number, its terminal and its signals: only the interpreter is another one. So the
driver, too, imports the user's code with the user's packages, and noria may be installed apart from all projects.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from noria.app.config import find_project, load_policy
from noria.app.environments.wanted import Wanted, wanted
from noria.app.wiring import open_shelf
from noria.cli.commands import project
from noria.cli.render import count, note, span
from noria.ports.surroundings import in_force
from noria.source.environment import lock_of
from noria.source.unlocked import unlocked

if TYPE_CHECKING:
    from noria.ports.environments import Shelf, Shelved

SHOWN = 3  # packages that a line names
COST = (
    "no lock file: the environment is recorded by the names and versions of what is installed, and cannot be rebuilt "
    "from the record (uv lock)"
)


def inside(args: argparse.Namespace, *, drives: Iterable[str] = (), build: bool = True) -> None:
    """Returns where this interpreter is the right one; else the command goes on in the one of the lock, built first
    where it has to be. `build=False`: only if it is built. Raises what `wanted` and a build raise."""
    folder = find_project(project(args) or Path.cwd())
    policy, shelf, quiet = load_policy(folder / "noria.toml"), open_shelf(), getattr(args, "quiet", False)
    wish = wanted(folder, policy, shelf, drives)
    if not quiet and not in_force():  # else it has been told before beginning again
        _tell_of_lock(folder, missing=wish is None and lock_of(folder) is None)
    if wish is None:
        return
    found = wish.found(shelf)
    if found is None and not build:
        note(
            f"{_why(wish)}; its environment is not built yet, so this is told as seen from here: noria env build"
        )
        return
    go_on(shelf, found or built(shelf, wish, quiet=quiet), _why(wish), quiet=quiet)


def _tell_of_lock(folder: Path, *, missing: bool) -> None:
    if missing:
        note(COST)
    elif changed := unlocked(folder):
        note(
            f"uv.lock was not made for this pyproject.toml ({_named(changed)}): what it says is used (uv lock)"
        )


def _named(wishes: Sequence[str]) -> str:
    more = f" and {len(wishes) - SHOWN} more" if len(wishes) > SHOWN else ""
    return ", ".join(wishes[:SHOWN]) + more


def built(shelf: Shelf, wish: Wanted, *, quiet: bool = False) -> Shelved:
    """Build an environment unless it is there, told on stderr."""
    if (found := wish.found(shelf)) is not None:
        return found
    if not quiet:
        of = f", group {wish.group}" if wish.group else ""
        note(f"building the environment of {wish.place.lock}{of}: {count(len(wish.recipe.pins), 'package')}")
    made = wish.built(shelf)
    if not quiet:
        note(f"  in {made.folder}, took {span(made.built.seconds)}")
    return made


def go_on(shelf: Shelf, shelved: Shelved, why: str, *, quiet: bool = False) -> NoReturn:
    """The same command line in another interpreter."""
    if not quiet:
        note(f"{why}: goes on in its environment, {shelved.folder.name[:12]}")
    shelf.use(shelved)
    sys.stdout.flush()
    sys.stderr.flush()
    command = [str(shelved.python), "-P", "-m", "noria", *sys.argv[1:]]
    os.execve(shelved.python, command, {**os.environ, **shelf.handed_on()})


def _why(wish: Wanted) -> str:
    lock = wish.place.lock
    if not wish.differs:
        return f"runs in what {lock} says alone"
    more = f", and {len(wish.differs) - SHOWN} more" if len(wish.differs) > SHOWN else ""
    return f"{sys.executable} is not what {lock} says ({', '.join(map(str, wish.differs[:SHOWN]))}{more})"
