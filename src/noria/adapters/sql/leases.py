"""Leases among all machines that share a PostgreSQL server: advisory locks, each on a connection of its own.

The server gives a lock back when its connection ends, so a killed driver's is free at once, and that of a machine which
is gone after the keep-alives have found out, in some 20 s. A server that restarts forgets all locks, and one that ends an
idle connection this one: a thread beside the holder sees the connection end, and takes the lock anew.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC

from noria.adapters.sql.postgres import Postgres
from noria.adapters.sql.sessions import Session, introduced
from noria.errors import NoriaError
from noria.ports.leases import Busy

PAUSE = 0.2  # s until a lost lock is asked for again, doubled from time to time
LONGEST_PAUSE = 5.0  # s
PARTING = 1.0  # s for such an attempt to end; one that still waits for a server ends by itself


class PostgresLeases:
    """See `noria.ports.leases.Leases`."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    @contextmanager
    def hold(self, name: str, holder: str) -> Iterator[None]:
        with self._session() as session:
            if not session.takes(name):
                raise Busy(what_for=name, holder=self.holder(name) or "another process")
            with _beside(lambda over: self._keep(name, session, over)):
                yield

    def _keep(self, name: str, session: Session, over: Over) -> None:
        """Until the block is over: see to it that the lock is ours, by another session where the last one has ended."""
        with ExitStack() as later:
            while not over.is_set():
                session.wire.listen(over.descriptor)
                if not over.is_set() and not session.lives():
                    later.close()
                    found = self._had_back(name, session, over)
                    if found is None:
                        return
                    session = found[0]
                    later.enter_context(found[1])

    def _had_back(self, name: str, lost: Session, over: Over) -> tuple[Session, ExitStack] | None:
        """Another session that holds the lock, and what ends it; None where the block ends before."""
        pause, told = PAUSE, False
        while not over.wait(pause):
            pause = min(2 * pause, LONGEST_PAUSE)
            with suppress(NoriaError), ExitStack() as opened:  # the server may not be back yet
                session = opened.enter_context(self._session())
                if session.takes(name):
                    return session, opened.pop_all()
                others = [one for one in session.holders(name) if not session.ends(one, lost)]
                if others and not told:
                    told = True
                    self._database.patience.tell(
                        f"{others[0].who} works on {name}, too, since the records were away for a moment: stop one of"
                        " the two; what both did is kept once"
                    )
        return None

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with self._database.own("lease") as wire:
            yield introduced(wire)

    def holder(self, name: str) -> str | None:
        with self._session() as session:
            found = session.holders(name)
        return next(
            (f"{one.who} since {one.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" for one in found), None
        )


class Over(threading.Event):
    """An end that can also be waited for among descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptor, self._other_end = os.pipe()
        self._lock = threading.Lock()
        self._open = True

    def set(self) -> None:
        super().set()
        with self._lock:
            if self._open:
                os.write(self._other_end, b".")

    def close(self) -> None:
        """By whoever waits for it, when he does no longer."""
        with self._lock:
            self._open = False
            os.close(self.descriptor)
            os.close(self._other_end)


@contextmanager
def _beside(act: Callable[[Over], None]) -> Iterator[None]:
    """Do something in a thread of its own until the block ends."""
    over = Over()

    def work() -> None:
        with closing(over):
            act(over)

    thread = threading.Thread(target=work, name="noria-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(PARTING)
