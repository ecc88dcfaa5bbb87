"""Rollouts, as `noria.ports.records.RolloutRecords` promises it, and their changes, each after the one before."""

from __future__ import annotations

from collections.abc import Sequence

from noria.adapters.sql.conflicts import RolloutMovedOn, RolloutOpen
from noria.adapters.sql.database import Connection, Database, NotUnique
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.patience import patient
from noria.records.rollouts import Rollout

_read = reader(Rollout)

_LAST = "SELECT number, revision, ended FROM rollouts WHERE model = :model ORDER BY number DESC, revision DESC LIMIT 1"
_ADD = (
    "INSERT INTO rollouts (model, number, revision, ended, body)"
    " VALUES (:model, :number, :revision, :ended, :body)"
)
_STANDING = (
    "SELECT body FROM rollouts AS one WHERE model = :model AND body IS NOT NULL AND revision ="
    " (SELECT MAX(revision) FROM rollouts WHERE model = one.model AND number = one.number)"
    " ORDER BY number DESC"
)
_HISTORY = "SELECT body FROM rollouts WHERE model = :model AND number = :number AND body IS NOT NULL ORDER BY revision"


class Rollouts:
    """See `noria.ports.records.RolloutRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @patient
    def rollouts(self, model: str) -> Sequence[Rollout]:
        with self._database.read("rollouts") as connection:
            return [_read(body) for (body,) in connection.all(_STANDING, {"model": model})]

    @patient
    def last(self, model: str) -> Rollout | None:
        with self._database.read("rollouts") as connection:
            found = connection.all(f"{_STANDING} LIMIT 1", {"model": model})
        return _read(found[0][0]) if found else None

    @patient
    def history(self, model: str, number: int) -> Sequence[Rollout]:
        with self._database.read("history") as connection:
            rows = connection.all(_HISTORY, {"model": model, "number": number})
        return [_read(body) for (body,) in rows]


def begin(connection: Connection, rollout: Rollout, body: str) -> int:
    """A new one, after the last has ended. Raises `RolloutOpen`, `RolloutMovedOn`."""
    number, revision, ended = _last(connection, rollout.model)
    if number and not ended:
        raise RolloutOpen(model=rollout.model, number=number)
    if (rollout.number, rollout.revision) != (number + 1, 1):
        raise RolloutMovedOn(
            model=rollout.model, number=rollout.number, expected=rollout.revision - 1, found=revision
        )
    return _add(connection, rollout, body)


def move(connection: Connection, rollout: Rollout, body: str) -> int:
    """The next revision of the one that is open. Raises `RolloutMovedOn`."""
    number, revision, ended = _last(connection, rollout.model)
    if (rollout.number, rollout.revision) != (number, revision + 1) or ended:
        raise RolloutMovedOn(
            model=rollout.model, number=rollout.number, expected=rollout.revision - 1, found=revision
        )
    return _add(connection, rollout, body)


def _last(connection: Connection, model: str) -> tuple[int, int, bool]:
    found = connection.all(_LAST, {"model": model})
    return (int(found[0][0]), int(found[0][1]), bool(found[0][2])) if found else (0, 0, True)


def _add(connection: Connection, rollout: Rollout, body: str) -> int:
    row = {
        "model": rollout.model,
        "number": rollout.number,
        "revision": rollout.revision,
        "ended": not rollout.open,
        "body": body,
    }
    try:
        return connection.insert(_ADD, row)
    except NotUnique as error:
        raise RolloutMovedOn(
            model=rollout.model,
            number=rollout.number,
            expected=rollout.revision - 1,
            found=rollout.revision,
        ) from error
