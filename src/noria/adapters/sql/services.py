"""Which services run, as `noria.ports.records.ServiceRecords` promises it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, insert, select

from noria.adapters.sql.database import Database
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.tables import services
from noria.records.base import canonical
from noria.records.service import Service

_read = reader(Service)

_all = select(services.c.body).order_by(services.c.model, services.c.id)
_of_model = _all.where(services.c.model == bindparam("the_model"))
_gone = delete(services).where(services.c.id == bindparam("the_id"))


class Services:
    """See `noria.ports.records.ServiceRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def announce(self, service: Service) -> None:
        row = {"id": service.id, "model": service.model, "body": canonical(service).decode()}
        with self._database.write("announce") as connection:
            connection.execute(_gone, {"the_id": service.id})
            connection.execute(insert(services), row)

    def withdraw(self, id: str) -> None:
        with self._database.write("withdraw") as connection:
            connection.execute(_gone, {"the_id": id})

    def services(self, model: str | None = None) -> Sequence[Service]:
        statement, asked = (_all, {}) if model is None else (_of_model, {"the_model": model})
        with self._database.read("services") as connection:
            return [_read(body) for body in connection.execute(statement, asked).scalars()]
