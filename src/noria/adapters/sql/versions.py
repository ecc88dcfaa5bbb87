"""Versions, aliases and judgements, as `noria.ports.records.VersionRecords` promises them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, exists, or_, select

from noria.adapters.sql.database import Database
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.tables import aliases, judgements, models, runs, versions
from noria.records.gates import Judgement
from noria.records.versions import Version

_read_version = reader(Version)
_read_judgement = reader(Judgement)

_versions = (
    select(versions.c.body)
    .where(versions.c.model == bindparam("the_model"), versions.c.body.is_not(None))
    .order_by(versions.c.number.desc())
)
_version = _versions.where(versions.c.number == bindparam("the_number"))
_aliases = (
    select(aliases.c.alias, aliases.c.number)
    .where(aliases.c.model == bindparam("the_model"))
    .order_by(aliases.c.alias)
)
_judgements = (
    select(judgements.c.body)
    .where(
        judgements.c.model == bindparam("the_model"),
        judgements.c.version == bindparam("the_number"),
        judgements.c.body.is_not(None),
    )
    .order_by(judgements.c.id.desc())
)
_has_run = exists().where(runs.c.model == models.c.name)
_has_version = exists().where(versions.c.model == models.c.name)
_models = select(models.c.name).where(or_(_has_run, _has_version)).order_by(models.c.name)


class Versions:
    """See `noria.ports.records.VersionRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def version(self, model: str, number: int) -> Version | None:
        with self._database.read("version") as connection:
            body = connection.execute(_version, {"the_model": model, "the_number": number}).scalar()
        return _read_version(body) if body is not None else None

    def versions(self, model: str) -> Sequence[Version]:
        with self._database.read("versions") as connection:
            bodies = connection.execute(_versions, {"the_model": model}).scalars().all()
        return [_read_version(body) for body in bodies]

    def aliases(self, model: str) -> dict[str, int]:
        with self._database.read("aliases") as connection:
            return {row.alias: row.number for row in connection.execute(_aliases, {"the_model": model})}

    def judgements(self, model: str, number: int) -> Sequence[Judgement]:
        with self._database.read("judgements") as connection:
            asked = {"the_model": model, "the_number": number}
            bodies = connection.execute(_judgements, asked).scalars().all()
        return [_read_judgement(body) for body in bodies]

    def models(self) -> Sequence[str]:
        with self._database.read("models") as connection:
            return connection.execute(_models).scalars().all()
