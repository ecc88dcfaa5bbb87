"""Labels that arrived, as `noria.ports.records.FeedbackRecords` promises it. None is ever overwritten: the newest
for a reference holds, and the others are the history of its corrections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from noria.adapters.sql.conflicts import Contradiction, UnfitRecord
from noria.adapters.sql.database import Database
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.ledger import lock
from noria.adapters.sql.tables import feedback, from_micros, to_micros
from noria.records.base import Json, canonical
from noria.records.monitoring import Feedback, NewFeedback

if TYPE_CHECKING:
    from noria.adapters.sql.tables import AnyRow

CHUNK = 500  # references in one question; databases allow 32,000 parameters and more, the parser likes fewer

_read_label: Callable[[str], Json] = reader(Json, "label")  # type: ignore[arg-type]  # a union is no type

_after = (
    select(feedback)
    .where(
        feedback.c.model == bindparam("the_model"),
        feedback.c.seq > bindparam("the_seq"),
        feedback.c.label.is_not(None),
    )
    .order_by(feedback.c.seq)
    .limit(bindparam("the_limit"))
)
_of_refs = (
    select(feedback.c.ref, feedback.c.label, feedback.c.known, feedback.c.correction)
    .where(
        feedback.c.model == bindparam("the_model"),
        feedback.c.by == bindparam("the_by"),
        feedback.c.ref.in_(bindparam("the_refs", expanding=True)),
        feedback.c.label.is_not(None),
    )
    .order_by(feedback.c.seq)
)

_Labels = dict[tuple[str, str], Json]


class FeedbackLog:
    """See `noria.ports.records.FeedbackRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, model: str, items: Sequence[NewFeedback], *, at: datetime) -> Sequence[str]:
        rows = [_row(model, item, to_micros(at)) for item in items]
        if not rows:
            return []
        with self._database.write("feedback") as connection:
            lock(connection, model)
            said, new = _sorted_out(model, items, _stored(connection, model, items))
            if new:
                connection.execute(insert(feedback), [rows[position] for position in new])
        return said

    def after(self, model: str, seq: int, *, limit: int = 100_000) -> Sequence[Feedback]:
        asked = {"the_model": model, "the_seq": seq, "the_limit": limit}
        with self._database.read("feedback") as connection:
            rows = connection.execute(_after, asked).all()
        return [
            Feedback(seq=row.seq, model=model, received=from_micros(row.received), what=_item(row.by, row))
            for row in rows
        ]

    def current(self, model: str, by: str, refs: Sequence[str]) -> dict[str, NewFeedback]:
        with self._database.read("feedback") as connection:
            return {row.ref: _item(by, row) for row in _of(connection, model, by, refs)}


def _stored(connection: Connection, model: str, items: Sequence[NewFeedback]) -> _Labels:
    """The labels that hold before this batch."""
    refs: dict[str, list[str]] = {}
    for item in items:
        refs.setdefault(item.by, []).append(item.ref)
    return {
        (by, row.ref): _read_label(row.label)
        for by, named in refs.items()
        for row in _of(connection, model, by, named)
    }


def _of(connection: Connection, model: str, by: str, refs: Sequence[str]) -> Iterable[AnyRow]:
    """What is stored for these references, the oldest first."""
    for start in range(0, len(refs), CHUNK):
        asked = {"the_model": model, "the_by": by, "the_refs": refs[start : start + CHUNK]}
        yield from connection.execute(_of_refs, asked)


def _sorted_out(model: str, items: Sequence[NewFeedback], labels: _Labels) -> tuple[list[str], list[int]]:
    """What becomes of each item, and the positions of those to be stored. `labels` moves along, since a batch
    may name a reference twice."""
    said: list[str] = []
    new: list[int] = []
    contradictions: list[tuple[NewFeedback, Json]] = []
    for position, item in enumerate(items):
        key = (item.by, item.ref)
        word = _word(item, key, labels)
        if word == "contradicts":
            contradictions.append((item, labels[key]))
        elif word != "repeated":
            labels[key] = item.label
            new.append(position)
        said.append(word)
    if contradictions:
        item, stored = contradictions[0]
        raise Contradiction(
            model=model,
            by=item.by,
            ref=item.ref,
            stored=stored,
            given=item.label,
            others=len(contradictions) - 1,
        )
    return said, new


def _word(item: NewFeedback, key: tuple[str, str], labels: _Labels) -> str:
    if key not in labels:
        return "stored"
    if labels[key] == item.label:  # 1, 1.0 and true are the same answer to the same question
        return "repeated"
    return "corrected" if item.correction else "contradicts"


def _row(model: str, item: NewFeedback, received: int) -> dict[str, object]:
    try:
        label, known = canonical(item.label).decode(), to_micros(item.known)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        raise UnfitRecord(kind=f"feedback for {item.by} {item.ref}", problem=str(error)) from error
    return {
        "model": model,
        "by": item.by,
        "ref": item.ref,
        "label": label,
        "known": known,
        "correction": item.correction,
        "received": received,
    }


def _item(by: Any, row: AnyRow) -> NewFeedback:
    return NewFeedback(
        by=by,
        ref=row.ref,
        label=_read_label(row.label),
        known=from_micros(row.known),
        correction=row.correction,
    )
