"""Leases among all machines that share a PostgreSQL server: advisory locks, each on a connection of its own.

The server gives a lock back when its connection ends, so a killed driver's is free at once, and that of a machine which
is gone after the keep-alives have found out, in some 20 s.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING

from noria.adapters.sql.postgres import Postgres
from noria.ports.leases import Busy

if TYPE_CHECKING:
    from noria.adapters.sql.wire import Wire

NAMESPACE = 0x6E6F7269  # `nori`: the first half of a lock's number, apart from other programs' locks
LONGEST = 63  # bytes of an application's name that the server keeps

_TAKE = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
_HOLDER = """
    SELECT activity.application_name, activity.backend_start
    FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE locks.locktype = 'advisory' AND locks.granted AND locks.classid::bigint = %s
      AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND locks.objid::bigint = (hashtext(%s)::bigint & 4294967295)
"""


class PostgresLeases:
    """See `noria.ports.leases.Leases`."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    @contextmanager
    def hold(self, name: str, holder: str) -> Iterator[None]:
        with self._database.own("lease") as wire:
            _name(wire)
            if wire.ask(_TAKE, (NAMESPACE, name)) != [(True,)]:
                raise Busy(what_for=name, holder=self.holder(name) or "another process")
            yield

    def holder(self, name: str) -> str | None:
        with self._database.own("lease") as wire:
            found = wire.ask(_HOLDER, (NAMESPACE, name))
        return next(
            (f"{who} since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for who, since in found), None
        )


def _name(wire: Wire) -> None:
    """Say who we are, as `holder` tells it to others, and let the server notice when this machine is gone."""
    said = f"process {os.getpid()} on {platform.node()}".encode()[:LONGEST].decode(errors="ignore")
    wire.ask("SELECT set_config('application_name', %s, false)", (said,))
    for setting, seconds in (("idle", 10), ("interval", 3), ("count", 3)):
        wire.ask(f"SET tcp_keepalives_{setting} = {seconds}")
