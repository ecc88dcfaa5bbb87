"""The one way to change a model's state: changes and their events, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from noria.adapters.sql.apply import apply, model_of
from noria.adapters.sql.conflicts import OtherModel, UnfitRecord
from noria.adapters.sql.database import Connection, Database, first, one_of, value
from noria.adapters.sql.errors import CommitUnknown, StoreLost
from noria.adapters.sql.outline import Outline, join, wanted
from noria.adapters.sql.patience import patient, persist
from noria.adapters.sql.times import from_micros, to_micros
from noria.records.base import Digest, canonical
from noria.records.chain import BrokenChain
from noria.records.events import GENESIS, Change, Event, RunStarted, StepFinished, link
from noria.records.runs import NewRun, Run

R = TypeVar("R")
Act = Callable[[Connection], tuple[R, list[Event]]]
"""What is done in the transaction: its result, and the events that it appended."""

PAGE = 500  # events of one look; with their records some 5 MB

_LOCKED = "SELECT name FROM models WHERE name = :model"
_NEW_MODEL = "INSERT INTO models (name) VALUES (:model) ON CONFLICT DO NOTHING"
_HEAD = "SELECT seq, hash FROM events WHERE model = :model ORDER BY seq DESC LIMIT 1"
_AT = "SELECT hash FROM events WHERE model = :model AND seq = :seq"
_LAST_RUN = "SELECT max(number) FROM runs WHERE model = :model"
_COLUMNS = "model, seq, at, kind, digest, previous, hash, outline"
_PAGE = f"SELECT {_COLUMNS} FROM events WHERE model = :model AND seq > :seq ORDER BY seq LIMIT {PAGE}"
_SOME = (
    f"SELECT {_COLUMNS} FROM events WHERE model = :model AND seq > :seq AND kind IN {{}} "
    f"ORDER BY +seq LIMIT {PAGE}"  # by its plain name SQLite walks through the whole chain for a few kinds
)
_NEW_EVENT = (
    f"INSERT INTO events ({_COLUMNS}) VALUES (:model, :seq, :at, :kind, :digest, :previous, :hash, :outline)"
)

Bodies = dict[tuple[str, int], str | None]


class _Row(NamedTuple):
    """An event as it is stored."""

    model: str
    seq: int
    at: int
    kind: str
    digest: str
    previous: str
    hash: str
    outline: str | None


class Ledger:
    """See `noria.ports.records.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, asked: NewRun, *, at: datetime) -> Run:
        def act(connection: Connection) -> tuple[Run, list[Event]]:
            last = value(connection, _LAST_RUN, {"model": asked.model}) or 0
            run = Run(number=last + 1, started=at, asked=asked)
            return run, _append(connection, asked.model, [RunStarted(run=run)], at)

        return self._durably("begin", asked.model, act)

    def append(self, model: str, changes: Sequence[Change], *, at: datetime) -> Sequence[Event]:
        # A finished step that a loss of power takes away runs again; its outputs are safe in the object store.
        again = all(isinstance(change, StepFinished) for change in changes)

        def act(connection: Connection) -> tuple[Sequence[Event], list[Event]]:
            events = _append(connection, model, changes, at)
            return events, events

        return self._durably("append", model, act, outlives_power=not again)

    def events(
        self, model: str, *, kinds: Collection[str] = (), after: int = 0
    ) -> Iterator[tuple[Event, Change | None]]:
        seq, page = after, PAGE
        while page == PAGE:
            found, bodies = self._page(model, seq, kinds)
            for row in found:
                yield _event(row), _change(row, bodies)
            page, seq = len(found), found[-1].seq if found else seq

    @patient
    def _page(self, model: str, seq: int, kinds: Collection[str]) -> tuple[list[_Row], Bodies]:
        places, named = one_of("kind", list(kinds))
        wanted = _SOME.format(places) if kinds else _PAGE
        with self._database.read("events") as connection:
            rows = connection.all(wanted, {"model": model, "seq": seq, **named})
            found = [_Row(*row) for row in rows]
            return found, _bodies(connection, model, found)

    def _durably(self, op: str, model: str, act: Act[R], *, outlives_power: bool = True) -> R:
        """Append in one transaction. Where the connection was lost before it was committed, nothing of it is there and
        it is done again; where it was lost in the middle of committing, the chain tells, once we hold its lock."""
        unknown: list[tuple[R, list[Event]]] = []

        def once() -> R:
            made: list[tuple[R, list[Event]]] = []
            try:
                with self._database.write(op, outlives_power=outlives_power) as connection:
                    lock(connection, model)
                    made += unknown if _landed(connection, unknown) else [act(connection)]
            except CommitUnknown as error:
                unknown[:] = made
                raise StoreLost(store=error.store, op=op, reason="in the middle of committing") from error
            return made[0][0]

        return persist(self._database, once)


def _landed(connection: Connection, unknown: Sequence[tuple[Any, list[Event]]]) -> bool:
    """Whether what was perhaps committed is in the chain."""
    events = unknown[0][1] if unknown else []
    if not events:
        return bool(unknown)
    last = events[-1]
    return bool(value(connection, _AT, {"model": last.model, "seq": last.seq}) == last.hash)


def lock(connection: Connection, model: str) -> None:
    """Let one writer at a time change a model, where a database has row locks; else the transaction holds the
    whole database already."""
    locked = _LOCKED + connection.for_update
    if not connection.all(locked, {"model": model}):
        connection.run(_NEW_MODEL, [{"model": model}])
        connection.all(locked, {"model": model})


def _append(connection: Connection, model: str, changes: Sequence[Change], at: datetime) -> list[Event]:
    head = first(connection, _HEAD, {"model": model})
    moment = from_micros(to_micros(at))  # as it will be read back
    seq, previous = (int(head[0]), Digest(head[1])) if head else (0, GENESIS)
    appended: list[Event] = []
    rows: list[dict[str, Any]] = []
    for change in changes:
        seq += 1
        outline = _outline(change, model)
        event = link(outline.change, model=model, seq=seq, at=moment, previous=previous)
        stored = apply(connection, outline, event)
        appended.append(event)
        rows.append(_row(event, outline.text(stored)))
        previous = event.hash
    connection.run(_NEW_EVENT, rows)
    return appended


def _outline(change: Change, model: str) -> Outline:
    kind = str(change.__struct_config__.tag)
    if model_of(change) != model:
        raise OtherModel(model=model, found=model_of(change), kind=kind)
    try:
        return Outline(canonical(change))
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise UnfitRecord(kind=kind, problem=str(error)) from error


def _row(event: Event, outline: str) -> dict[str, Any]:
    return {
        "model": event.model,
        "seq": event.seq,
        "at": to_micros(event.at),
        "kind": event.kind,
        "digest": event.digest,
        "previous": event.previous,
        "hash": event.hash,
        "outline": outline,
    }


def _event(row: _Row) -> Event:
    return Event(
        model=row.model,
        seq=row.seq,
        at=from_micros(row.at),
        kind=row.kind,
        digest=Digest(row.digest),
        previous=Digest(row.previous),
        hash=Digest(row.hash),
    )


def _change(row: _Row, bodies: Bodies) -> Change | None:
    if row.outline is None:
        return None
    try:
        return join(row.kind, row.outline, bodies)
    except KeyError as error:
        raise BrokenChain(model=row.model, seq=row.seq, why=f"its record is gone ({row.kind})") from error
    except (msgspec.MsgspecError, TypeError) as error:
        raise BrokenChain(model=row.model, seq=row.seq, why=f"its record is unreadable: {error}") from error


def _bodies(connection: Connection, model: str, found: Sequence[_Row]) -> Bodies:
    """The records that a page of events stands on."""
    needed: dict[str, set[int]] = {}
    for row in found:
        for table, id in _wanted(row):
            needed.setdefault(table, set()).add(id)
    bodies: Bodies = {}
    for table, ids in needed.items():
        places, named = one_of("id", sorted(ids))
        sql = f"SELECT id, body FROM {table} WHERE model = :model AND id IN {places}"
        bodies |= {(table, id): body for id, body in connection.all(sql, {"model": model, **named})}
    return bodies


def _wanted(row: _Row) -> list[tuple[str, int]]:
    if row.outline is None:
        return []
    try:
        return list(wanted(row.kind, row.outline))
    except (KeyError, TypeError, msgspec.MsgspecError) as error:
        raise BrokenChain(model=row.model, seq=row.seq, why=f"it is unreadable: {error!r}") from error
