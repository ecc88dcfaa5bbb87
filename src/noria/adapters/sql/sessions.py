"""A session of a PostgreSQL server, as the server tells it from others, and the advisory locks that it holds."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from noria.adapters.sql.sqlstate import Failed

if TYPE_CHECKING:
    from noria.adapters.sql.wire import Wire

NAMESPACE = 0x6E6F7269  # `nori`: the first half of a lock's number, apart from other programs' locks
LONGEST = 63  # bytes of an application's name that the server keeps

_TAKE = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
_SELF = "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()"
_END = "SELECT pg_terminate_backend(%s)"
_HOLDERS = """
    SELECT activity.pid, activity.backend_start, activity.application_name
    FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
    WHERE locks.locktype = 'advisory' AND locks.granted AND locks.classid::bigint = %s
      AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND locks.objid::bigint = (hashtext(%s)::bigint & 4294967295)
"""


@dataclass(frozen=True)
class Holder:
    """Of a lock: a session of the server, by when it began, for numbers are given again, and who it says that it is."""

    pid: int
    since: datetime
    who: str


@dataclass(frozen=True)
class Session:
    """A connection that the server knows by these."""

    wire: Wire
    pid: int
    since: datetime

    def takes(self, name: str) -> bool:
        """Whether it holds the lock from now on."""
        return self.wire.ask(_TAKE, (NAMESPACE, name)) == [(True,)]

    def holders(self, name: str) -> Sequence[Holder]:
        return [Holder(*found) for found in self.wire.ask(_HOLDERS, (NAMESPACE, name))]

    def ends(self, holder: Holder, lost: Session) -> bool:
        """Whether a holder was no other than a session of ours that is lost, whose end the server has not seen: it is ended."""
        if (holder.pid, holder.since) != (lost.pid, lost.since):
            return False
        self.wire.ask(_END, (holder.pid,))
        return True

    def lives(self) -> bool:
        try:
            self.wire.ask("SELECT 1")
        except Failed:
            return False
        return True


def introduced(wire: Wire) -> Session:
    """Says who we are, as `Holder.who` tells it to others, and lets the server notice when this machine is gone."""
    said = f"process {os.getpid()} on {platform.node()}".encode()[:LONGEST].decode(errors="ignore")
    wire.ask("SELECT set_config('application_name', %s, false)", (said,))
    for setting, seconds in (("idle", 10), ("interval", 3), ("count", 3)):
        wire.ask(f"SET tcp_keepalives_{setting} = {seconds}")
    ((pid, since),) = wire.ask(_SELF)
    return Session(wire, pid, since)
