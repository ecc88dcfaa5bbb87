"""Questions that are asked again when the connection was lost under them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

from noria.adapters.patience import Patience, Tell, silent
from noria.adapters.sql.errors import StoreLost

if TYPE_CHECKING:
    from noria.adapters.sql.database import Database

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE = 15.0  # s; a server that restarts is back within seconds, one that does not needs a person
FIRST, LONGEST = 0.05, 1.0  # s of the pauses, doubled from the first to the longest


class Door(Protocol):
    """What asks a database."""

    @property
    def _database(self) -> Database: ...


D = TypeVar("D", bound=Door)


def patience(store: str, tell: Tell = silent) -> Patience:
    """A database's."""
    return Patience(store, StoreLost, pauses=(FIRST, LONGEST), tell=tell)


def patient(question: Callable[Concatenate[D, P], R]) -> Callable[Concatenate[D, P], R]:
    """A question changes nothing, so it may be asked again: after a pause, for `PATIENCE` seconds at most."""

    @functools.wraps(question)
    def asked(door: D, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return persist(door._database, lambda: question(door, *args, **kwargs))

    return asked


def persist(database: Database, act: Callable[[], R]) -> R:
    """Do it, and do it again after `StoreLost`: only for what is harmless twice, or was not done at all."""
    return database.patience.persist(act, PATIENCE)
