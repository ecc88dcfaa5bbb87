"""The one way to change a model's state: changes and their events, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Table, bindparam, func, insert, select

from noria.adapters.sql.apply import apply, model_of
from noria.adapters.sql.conflicts import OtherModel, UnfitRecord
from noria.adapters.sql.database import Database
from noria.adapters.sql.outline import Outline, join, wanted
from noria.adapters.sql.tables import events, from_micros, models, runs, to_micros
from noria.records.base import Digest, canonical
from noria.records.chain import BrokenChain
from noria.records.events import GENESIS, Change, Event, RunStarted, StepFinished, link
from noria.records.runs import NewRun, Run

if TYPE_CHECKING:
    from noria.adapters.sql.tables import AnyRow

PAGE = 500  # events of one look; with their records some 5 MB

_locked = select(models.c.name).where(models.c.name == bindparam("the_model")).with_for_update()
_new_model = insert(models)
_new_events = insert(events)
_head = (
    select(events.c.seq, events.c.hash)
    .where(events.c.model == bindparam("the_model"))
    .order_by(events.c.seq.desc())
    .limit(1)
)
_last_run = select(func.max(runs.c.number)).where(runs.c.model == bindparam("the_model"))
_page = (
    select(events)
    .where(events.c.model == bindparam("the_model"), events.c.seq > bindparam("the_seq"))
    .order_by(events.c.seq)
    .limit(PAGE)
)
_page_of_kinds = _page.where(events.c.kind.in_(bindparam("the_kinds", expanding=True)))

Bodies = dict[tuple[Table, int], str | None]


class Ledger:
    """See `noria.ports.records.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, asked: NewRun, *, at: datetime) -> Run:
        with self._database.write("begin") as connection:
            lock(connection, asked.model)
            last = connection.execute(_last_run, {"the_model": asked.model}).scalar() or 0
            run = Run(number=last + 1, started=at, asked=asked)
            _append(connection, asked.model, [RunStarted(run=run)], at)
        return run

    def append(self, model: str, changes: Sequence[Change], *, at: datetime) -> Sequence[Event]:
        # A finished step that a loss of power takes away runs again; its outputs are safe in the object store.
        again = all(isinstance(change, StepFinished) for change in changes)
        with self._database.write("append", outlives_power=not again) as connection:
            lock(connection, model)
            return _append(connection, model, changes, at)

    def events(self, model: str, *, kinds: Collection[str] = ()) -> Iterator[tuple[Event, Change | None]]:
        seq, page = 0, PAGE
        while page == PAGE:
            with self._database.read("events") as connection:
                found = connection.execute(
                    _page_of_kinds if kinds else _page,
                    {"the_model": model, "the_seq": seq} | ({"the_kinds": list(kinds)} if kinds else {}),
                ).all()
                bodies = _bodies(connection, model, found)
            for row in found:
                yield _event(row), _change(row, bodies)
            page, seq = len(found), found[-1].seq if found else seq


def lock(connection: Connection, model: str) -> None:
    """Let one writer at a time change a model, where a database has row locks; else the transaction holds the
    whole database already."""
    this = {"the_model": model}
    if connection.execute(_locked, this).scalar() is None:
        connection.execute(_new_model, {"name": model})


def _append(connection: Connection, model: str, changes: Sequence[Change], at: datetime) -> list[Event]:
    head = connection.execute(_head, {"the_model": model}).one_or_none()
    moment = from_micros(to_micros(at))  # as it will be read back
    seq, previous = (head.seq, Digest(head.hash)) if head else (0, GENESIS)
    appended: list[Event] = []
    rows: list[dict[str, Any]] = []
    for change in changes:
        seq += 1
        outline = _outline(change, model)
        stored = apply(connection, outline, seq)
        event = link(outline.change, model=model, seq=seq, at=moment, previous=previous)
        appended.append(event)
        rows.append(_row(event, outline.text(stored)))
        previous = event.hash
    if rows:
        connection.execute(_new_events, rows)
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


def _event(row: AnyRow) -> Event:
    return Event(
        model=row.model,
        seq=row.seq,
        at=from_micros(row.at),
        kind=row.kind,
        digest=Digest(row.digest),
        previous=Digest(row.previous),
        hash=Digest(row.hash),
    )


def _change(row: AnyRow, bodies: Bodies) -> Change | None:
    if row.outline is None:
        return None
    try:
        return join(row.kind, row.outline, bodies)
    except KeyError as error:
        raise BrokenChain(model=row.model, seq=row.seq, why=f"its record is gone ({row.kind})") from error
    except (msgspec.MsgspecError, TypeError) as error:
        raise BrokenChain(model=row.model, seq=row.seq, why=f"its record is unreadable: {error}") from error


def _bodies(connection: Connection, model: str, found: Sequence[AnyRow]) -> Bodies:
    """The records that a page of events stands on."""
    needed: dict[Table, set[int]] = {}
    for row in found:
        for table, id in _wanted(row):
            needed.setdefault(table, set()).add(id)
    bodies: Bodies = {}
    for table, ids in needed.items():
        rows = select(table.c.id, table.c.body).where(table.c.id.in_(sorted(ids)), table.c.model == model)
        bodies |= {(table, id): body for id, body in connection.execute(rows)}
    return bodies


def _wanted(row: AnyRow) -> list[tuple[Table, int]]:
    if row.outline is None:
        return []
    try:
        return list(wanted(row.kind, row.outline))
    except (KeyError, TypeError, msgspec.MsgspecError) as error:
        raise BrokenChain(model=row.model, seq=row.seq, why=f"it is unreadable: {error!r}") from error
