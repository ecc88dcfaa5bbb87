"""Versions, aliases and judgements, as `noria.ports.records.VersionRecords` promises it."""

from __future__ import annotations

from collections.abc import Sequence

from noria.adapters.sql.database import Database, value
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.patience import patient
from noria.records.gates import Judgement
from noria.records.versions import Version

_read_version = reader(Version)
_read_judgement = reader(Judgement)

_OF_MODEL = "SELECT body FROM versions WHERE model = :model AND body IS NOT NULL"
_VERSIONS = f"{_OF_MODEL} ORDER BY number DESC"
_VERSION = f"{_OF_MODEL} AND number = :number"
_ALIASES = "SELECT alias, number FROM aliases WHERE model = :model ORDER BY alias"
_JUDGEMENTS = "SELECT body FROM judgements WHERE model = :model AND version = :number AND body IS NOT NULL ORDER BY id DESC"
_MODELS = (
    "SELECT name FROM models WHERE EXISTS (SELECT 1 FROM runs WHERE runs.model = models.name) "
    "OR EXISTS (SELECT 1 FROM versions WHERE versions.model = models.name) ORDER BY name"
)


class Versions:
    """See `noria.ports.records.VersionRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @patient
    def version(self, model: str, number: int) -> Version | None:
        with self._database.read("version") as connection:
            body = value(connection, _VERSION, {"model": model, "number": number})
        return _read_version(body) if body is not None else None

    @patient
    def versions(self, model: str) -> Sequence[Version]:
        with self._database.read("versions") as connection:
            return [_read_version(body) for (body,) in connection.all(_VERSIONS, {"model": model})]

    @patient
    def aliases(self, model: str) -> dict[str, int]:
        with self._database.read("aliases") as connection:
            return dict(connection.all(_ALIASES, {"model": model}))

    @patient
    def judgements(self, model: str, number: int) -> Sequence[Judgement]:
        with self._database.read("judgements") as connection:
            rows = connection.all(_JUDGEMENTS, {"model": model, "number": number})
        return [_read_judgement(body) for (body,) in rows]

    @patient
    def models(self) -> Sequence[str]:
        with self._database.read("models") as connection:
            return [name for (name,) in connection.all(_MODELS)]
