"""Labels that arrived, as `noria.ports.records.FeedbackRecords` promises it. None is ever overwritten: the newest
for a reference holds, and the others are the history of its corrections."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from noria.adapters.sql.conflicts import Contradiction, UnfitRecord
from noria.adapters.sql.database import Connection, Database, one_of
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.ledger import lock
from noria.adapters.sql.patience import patient
from noria.adapters.sql.times import from_micros, to_micros
from noria.records.base import Json, canonical
from noria.records.monitoring import Feedback, NewFeedback

CHUNK = 500  # references in one question; databases allow 32,000 parameters and more, the parser likes fewer

_read_label: Callable[[str], Json] = reader(Json, "label")  # type: ignore[arg-type]  # a union is no type

_COLUMNS = 'seq, "by", ref, label, known, correction, received'
_AFTER = (
    f"SELECT {_COLUMNS} FROM feedback WHERE model = :model AND seq > :seq AND label IS NOT NULL "
    "ORDER BY seq LIMIT :limit"
)
_OF_REFS = (
    f'SELECT {_COLUMNS} FROM feedback WHERE model = :model AND "by" = :by AND ref IN {{}} AND label IS NOT NULL '
    "ORDER BY +seq"  # by its plain name SQLite walks through all labels, which are in that order already
)
_NEW = (
    'INSERT INTO feedback (model, "by", ref, label, known, correction, received) '
    "VALUES (:model, :by, :ref, :label, :known, :correction, :received)"
)


class _Stored(NamedTuple):
    """A row of the table."""

    seq: int
    by: Any
    ref: str
    label: str
    known: int
    correction: bool
    received: int

    @property
    def item(self) -> NewFeedback:
        return NewFeedback(
            by=self.by,
            ref=self.ref,
            label=_read_label(self.label),
            known=from_micros(self.known),
            correction=bool(self.correction),
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
            connection.run(_NEW, [rows[position] for position in new])
        return said

    @patient
    def after(self, model: str, seq: int, *, limit: int = 100_000) -> Sequence[Feedback]:
        with self._database.read("feedback") as connection:
            rows = connection.all(_AFTER, {"model": model, "seq": seq, "limit": limit})
        found = (_Stored(*row) for row in rows)
        return [
            Feedback(seq=one.seq, model=model, received=from_micros(one.received), what=one.item)
            for one in found
        ]

    @patient
    def current(self, model: str, by: str, refs: Sequence[str]) -> dict[str, NewFeedback]:
        with self._database.read("feedback") as connection:
            return {one.ref: one.item for one in _of(connection, model, by, refs)}


def _stored(connection: Connection, model: str, items: Sequence[NewFeedback]) -> _Labels:
    """The labels that hold before this batch."""
    refs: dict[str, list[str]] = {}
    for item in items:
        refs.setdefault(item.by, []).append(item.ref)
    return {
        (by, one.ref): _read_label(one.label)
        for by, named in refs.items()
        for one in _of(connection, model, by, named)
    }


def _of(connection: Connection, model: str, by: str, refs: Sequence[str]) -> Iterable[_Stored]:
    """What is stored for these references, the oldest first."""
    for start in range(0, len(refs), CHUNK):
        places, named = one_of("ref", refs[start : start + CHUNK])
        for row in connection.all(_OF_REFS.format(places), {"model": model, "by": by, **named}):
            yield _Stored(*row)


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
