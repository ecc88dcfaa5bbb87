"""Leases among all machines that share a PostgreSQL server: advisory locks, each on a connection of its own.

The server gives a lock back when its connection ends, so a killed driver's is free at once, and that of a machine which
is gone after the keep-alives have found out, in some 20 s. A server that restarts forgets all locks, and one that ends an
idle connection this one: a thread beside the holder sees the connection end, and takes the lock anew.
"""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import TYPE_CHECKING

from noria.adapters.sql.postgres import Postgres
from noria.adapters.sql.sqlstate import Failed
from noria.errors import NoriaError
from noria.ports.leases import Busy

if TYPE_CHECKING:
    from noria.adapters.sql.wire import Wire

NAMESPACE = 0x6E6F7269  # `nori`: the first half of a lock's number, apart from other programs' locks
PAUSE = 0.2  # s between two attempts to have a lock back, while the server is away
PARTING = 1.0  # s for such an attempt to end; one that still waits for a server ends by itself
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
            if not _taken(wire, name):
                raise Busy(what_for=name, holder=self._other(name))
            with _beside(lambda over: self._keep(name, wire, over)):
                yield

    def _keep(self, name: str, wire: Wire, over: Over) -> None:
        """Until the block is over: see to it that the lock is ours."""
        while not over.is_set():
            wire.listen(over.descriptor)
            if not over.is_set() and not _lives(wire):
                return self._have_back(name, over)

    def _have_back(self, name: str, over: Over) -> None:
        told = False
        while not over.wait(PAUSE):
            with suppress(NoriaError), self._database.own("lease") as wire:  # the server is not back yet
                _name(wire)
                if _taken(wire, name):
                    return self._keep(name, wire, over)
                if not told:
                    self._database.patience.tell(
                        f"{self._other(name)} works on {name}, too, since the records were away for a moment:"
                        " what both did is kept once, and whoever ends later is told RUN-OVER"
                    )
                    told = True
        return None

    def _other(self, name: str) -> str:
        return self.holder(name) or "another process"

    def holder(self, name: str) -> str | None:
        with self._database.own("lease") as wire:
            found = wire.ask(_HOLDER, (NAMESPACE, name))
        return next(
            (f"{who} since {since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for who, since in found), None
        )


class Over(threading.Event):
    """An end that can also be waited for among descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptor, self._other_end = os.pipe()

    def set(self) -> None:
        super().set()
        os.write(self._other_end, b".")

    def close(self) -> None:
        os.close(self.descriptor)
        os.close(self._other_end)


@contextmanager
def _beside(act: Callable[[Over], None]) -> Iterator[None]:
    """Do something in a thread of its own until the block ends."""
    over = Over()
    thread = threading.Thread(target=act, args=(over,), name="noria-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PARTING)
        if not thread.is_alive():
            over.close()


def _taken(wire: Wire, name: str) -> bool:
    return wire.ask(_TAKE, (NAMESPACE, name)) == [(True,)]


def _lives(wire: Wire) -> bool:
    try:
        wire.ask("SELECT 1")
    except Failed:
        return False
    return True


def _name(wire: Wire) -> None:
    """Say who we are, as `holder` tells it to others, and let the server notice when this machine is gone."""
    said = f"process {os.getpid()} on {platform.node()}".encode()[:LONGEST].decode(errors="ignore")
    wire.ask("SELECT set_config('application_name', %s, false)", (said,))
    for setting, seconds in (("idle", 10), ("interval", 3), ("count", 3)):
        wire.ask(f"SET tcp_keepalives_{setting} = {seconds}")
