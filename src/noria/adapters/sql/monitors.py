"""What a monitor remembers, as `noria.ports.records.MonitorRecords` promises it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, select

from noria.adapters.sql.database import Database
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.tables import alarms, blocks, states
from noria.records.monitoring import Alarm, Block, RiskState

_read_state = reader(RiskState)
_read_block = reader(Block)
_read_alarm = reader(Alarm)

_state = (
    select(states.c.body)
    .where(
        states.c.model == bindparam("the_model"),
        states.c.version == bindparam("the_version"),
        states.c.body.is_not(None),
    )
    .order_by(states.c.id.desc())
    .limit(1)
)
_blocks = (
    select(blocks.c.body)
    .where(blocks.c.model == bindparam("the_model"), blocks.c.body.is_not(None))
    .order_by(blocks.c.start, blocks.c.version)
)
_blocks_of_version = _blocks.where(blocks.c.version == bindparam("the_version"))
_alarms = (
    select(alarms.c.body)
    .where(alarms.c.model == bindparam("the_model"), alarms.c.body.is_not(None))
    .order_by(alarms.c.id.desc())
)
_alarms_of_version = _alarms.where(alarms.c.version == bindparam("the_version"))


class Monitors:
    """See `noria.ports.records.MonitorRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, model: str, version: int) -> RiskState | None:
        found = self._bodies("state", _state, model, version)
        return _read_state(found[0]) if found else None

    def blocks(self, model: str, version: int | None = None) -> Sequence[Block]:
        statement = _blocks if version is None else _blocks_of_version
        return [_read_block(body) for body in self._bodies("blocks", statement, model, version)]

    def alarms(self, model: str, version: int | None = None) -> Sequence[Alarm]:
        statement = _alarms if version is None else _alarms_of_version
        return [_read_alarm(body) for body in self._bodies("alarms", statement, model, version)]

    def _bodies(self, op: str, statement: Select[Any], model: str, version: int | None) -> Sequence[str]:
        asked = {"the_model": model} | ({} if version is None else {"the_version": version})
        with self._database.read(op) as connection:
            return connection.execute(statement, asked).scalars().all()
