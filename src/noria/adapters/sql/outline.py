"""A change without what has a row of its own, and back: each record is stored once.

`{"finished": ..., "model": "delay", "outcome": {...}, "run": 3, "steps": [17, 18], "type": "run.finished"}`
stands for a change whose steps are rows 17 and 18. The event's digest is that of the whole change, so a record
that was altered in its own table breaks the chain just as an altered event does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from noria.records.base import decoder_of
from noria.records.events import Change

PARTS: Mapping[str, Mapping[str, str]] = {
    "run.started": {"run": "runs"},
    "step.finished": {"result": "steps"},
    "run.finished": {"steps": "steps"},
    "version.registered": {"version": "versions"},
    "version.judged": {"judgement": "judgements"},
    "alias.moved": {},
    "block.scored": {"block": "blocks", "state": "states"},
    "alarm.raised": {"alarm": "alarms"},
    "alarm.seen": {},
    "alarm.moved": {},
    "monitors.begun": {},
    "block.seen": {"sight": "sights"},
    "rollout.started": {"rollout": "rollouts"},
    "rollout.moved": {"rollout": "rollouts"},
    "rollout.ended": {"rollout": "rollouts"},
    "rollback.drilled": {},
    "data.refused": {},
    "version.proved": {},
    "version.approved": {},
    "gates.drilled": {},
    "garbage.collected": {},
    "token.made": {},
    "token.revoked": {},
    "batch.answered": {},
}
"""Kind of change to those of its fields that have a table."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_values = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder(order="sorted")


class Outline:
    """The canonical form of a change, from which parts are taken out one by one."""

    def __init__(self, body: bytes) -> None:
        self.change = _changes().decode(body)
        # As it will be read back (an integer in a float's place has become a float), so digests hold for ever.
        self._fields: dict[str, Any] = dict(_fields.decode(_encoder.encode(self.change)))

    def part(self, field: str) -> str:
        """The canonical form of the record in a field."""
        return _text(self._fields[field])

    def parts(self, field: str) -> list[str]:
        """The canonical forms of the records in a field that holds a list."""
        return [_text(raw) for raw in _list.decode(self._fields[field])]

    def text(self, rows: Mapping[str, int | list[int]]) -> str:
        """The form with those fields replaced by the rows that hold them."""
        return _encoder.encode({**self._fields, **rows}).decode()


def wanted(kind: str, outline: str) -> Iterator[tuple[str, int]]:
    """The rows that a change's outline stands on."""
    parts = PARTS[kind]
    fields = _values.decode(outline) if parts else {}
    for name, table in parts.items():
        value = fields[name]
        for row in value if isinstance(value, list) else [value]:
            yield table, row


def join(kind: str, outline: str, bodies: Mapping[tuple[str, int], str | None]) -> Change | None:
    """The change back; None when a tombstone stands in the place of one of its parts. Raises KeyError for a row
    that is gone, msgspec.DecodeError for what is no change."""
    fields: dict[str, Any] = dict(_fields.decode(outline))
    for name, table in PARTS[kind].items():
        rows = _values.decode(fields[name])
        found = [bodies[table, row] for row in (rows if isinstance(rows, list) else [rows])]
        if None in found:
            return None
        raws = [msgspec.Raw((body or "").encode()) for body in found]
        fields[name] = raws if isinstance(rows, list) else raws[0]
    return _changes().decode(_encoder.encode(fields))


def _changes() -> msgspec.json.Decoder[Change]:
    """Made when it is first needed: 8 ms, of which a command that looks at runs has no use."""
    decoder: msgspec.json.Decoder[Change] = decoder_of(
        cast("Any", Change)
    )  # of a union, which is no type to mypy
    return decoder


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode()
