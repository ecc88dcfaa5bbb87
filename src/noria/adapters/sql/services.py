"""Which services run, as `noria.ports.records.ServiceRecords` promises it."""

from __future__ import annotations

from collections.abc import Sequence

from noria.adapters.sql.database import Database
from noria.adapters.sql.decoding import reader
from noria.adapters.sql.patience import patient
from noria.records.base import canonical
from noria.records.service import Service

_read = reader(Service)

_ALL = "SELECT body FROM services ORDER BY model, id"
_OF_MODEL = "SELECT body FROM services WHERE model = :model ORDER BY model, id"
_GONE = "DELETE FROM services WHERE id = :id"
_NEW = "INSERT INTO services (id, model, body) VALUES (:id, :model, :body)"


class Services:
    """See `noria.ports.records.ServiceRecords`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @patient
    def announce(self, service: Service) -> None:
        row = {"id": service.id, "model": service.model, "body": canonical(service).decode()}
        with self._database.write("announce") as connection:
            connection.run(_GONE, [{"id": service.id}])
            connection.run(_NEW, [row])

    @patient
    def withdraw(self, id: str) -> None:
        with self._database.write("withdraw") as connection:
            connection.run(_GONE, [{"id": id}])

    @patient
    def services(self, model: str | None = None) -> Sequence[Service]:
        sql, asked = (_ALL, {}) if model is None else (_OF_MODEL, {"model": model})
        with self._database.read("services") as connection:
            return [_read(body) for (body,) in connection.all(sql, asked)]
