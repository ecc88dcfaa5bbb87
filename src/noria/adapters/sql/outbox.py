"""Messages of alarms on their way, as `noria.ports.records.OutboxRecords` promises it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from noria.adapters.sql.database import Database, Row, one_of
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.patience import patient
from noria.adapters.sql.times import from_micros, to_micros
from noria.records.alarms import Delivery, Notice

_read_notice = reader(Notice)

_COLUMNS = "id, model, channel, due, attempts, state, ended, error, body"
_AHEAD = (  # an earlier message of the same alarm to the same channel, put off or taken by somebody
    "SELECT 1 FROM outbox AS ahead WHERE ahead.state = 'waiting' AND ahead.due > :now AND ahead.id < outbox.id "
    "AND ahead.model = outbox.model AND ahead.channel = outbox.channel AND ahead.alarm = outbox.alarm"
)
_DUE = (
    f"SELECT {_COLUMNS} FROM outbox WHERE state = 'waiting' AND due <= :now AND NOT EXISTS ({_AHEAD}) "
    "ORDER BY id LIMIT :limit"
)
_PUT_OFF = "UPDATE outbox SET due = :until WHERE id IN {}"
_END = "UPDATE outbox SET state = 'sent', ended = :at, attempts = attempts + 1, error = '' WHERE id = :id"
_AGAIN = "UPDATE outbox SET due = :due, attempts = attempts + :tried, error = :error WHERE id = :id"
_GIVE_UP = (
    "UPDATE outbox SET state = 'failed', ended = :at, attempts = attempts + 1, error = :error WHERE id = :id"
)
_ALL = f"SELECT {_COLUMNS} FROM outbox WHERE model = :model ORDER BY id"


class Outbox:
    """See `noria.ports.records.OutboxRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @patient
    def waits(self, now: datetime) -> bool:
        with self._database.read("outbox") as connection:
            return bool(connection.all(_DUE, {"now": to_micros(now), "limit": 1}))

    def take(self, now: datetime, until: datetime, *, limit: int = 50) -> Sequence[Delivery]:
        with self._database.write("outbox") as connection:
            connection.alone("outbox")  # what another has taken but not committed is ahead of what follows it
            rows = connection.all(_DUE + connection.for_update, {"now": to_micros(now), "limit": limit})
            if rows:
                places, named = one_of("id", [row[0] for row in rows])
                connection.run(_PUT_OFF.format(places), [{"until": to_micros(until), **named}])
        return [_delivery(row) for row in rows]

    def sent(self, seq: int, at: datetime) -> None:
        self._run(_END, {"id": seq, "at": to_micros(at)})

    def again(self, seq: int, due: datetime, error: str, *, tried: bool = True) -> None:
        self._run(_AGAIN, {"id": seq, "due": to_micros(due), "error": error, "tried": int(tried)})

    def give_up(self, seq: int, at: datetime, error: str) -> None:
        self._run(_GIVE_UP, {"id": seq, "at": to_micros(at), "error": error})

    @patient
    def all(self, model: str) -> Sequence[Delivery]:
        with self._database.read("outbox") as connection:
            return [_delivery(row) for row in connection.all(_ALL, {"model": model})]

    def _run(self, sql: str, values: dict[str, Any]) -> None:
        with self._database.write("outbox") as connection:
            connection.run(sql, [values])


def _delivery(row: Row) -> Delivery:
    id, model, channel, due, attempts, state, ended, error, body = row
    return Delivery(
        seq=id,
        model=model,
        channel=channel,
        notice=_read_notice(body),
        due=from_micros(due),
        attempts=attempts,
        state=state,
        ended=None if ended is None else from_micros(ended),
        error=error,
    )
