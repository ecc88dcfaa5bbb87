"""What a monitor remembers, as `noria.ports.records.MonitorRecords` promises it."""

from __future__ import annotations

from collections.abc import Sequence

from noria.adapters.sql.database import Database
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.patience import patient
from noria.records.monitoring import Block, RiskState
from noria.records.sights import Sight

_read_state = reader(RiskState)
_read_block = reader(Block)
_read_sight = reader(Sight)

_OF_VERSION = "AND version = :version"
_STATE = f"SELECT body FROM states WHERE model = :model {_OF_VERSION} AND body IS NOT NULL ORDER BY id DESC LIMIT 1"
_STATES = f"SELECT body FROM states WHERE model = :model {_OF_VERSION} AND body IS NOT NULL ORDER BY id"
_BLOCKS = "SELECT body FROM blocks WHERE model = :model {} AND body IS NOT NULL ORDER BY start, version"
_SIGHTS = "SELECT body FROM sights WHERE model = :model {} AND body IS NOT NULL ORDER BY start, version"
_LAST_SIGHT = f"SELECT body FROM sights WHERE model = :model {_OF_VERSION} AND body IS NOT NULL ORDER BY start DESC LIMIT 1"


class Monitors:
    """See `noria.ports.records.MonitorRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def state(self, model: str, version: int) -> RiskState | None:
        found = self._bodies("state", _STATE, model, version)
        return _read_state(found[0]) if found else None

    def states(self, model: str, version: int) -> Sequence[RiskState]:
        return [_read_state(body) for body in self._bodies("states", _STATES, model, version)]

    def blocks(self, model: str, version: int | None = None) -> Sequence[Block]:
        return [_read_block(body) for body in self._bodies("blocks", _BLOCKS, model, version)]

    def sights(self, model: str, version: int | None = None) -> Sequence[Sight]:
        return [_read_sight(body) for body in self._bodies("sights", _SIGHTS, model, version)]

    def last_sight(self, model: str, version: int) -> Sight | None:
        found = self._bodies("sight", _LAST_SIGHT, model, version)
        return _read_sight(found[0]) if found else None

    @patient
    def _bodies(self, op: str, sql: str, model: str, version: int | None) -> Sequence[str]:
        asked = {"model": model} | ({} if version is None else {"version": version})
        with self._database.read(op) as connection:
            rows = connection.all(sql.format("" if version is None else _OF_VERSION), asked)
        return [body for (body,) in rows]
