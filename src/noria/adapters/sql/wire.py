"""One connection to PostgreSQL: the only file that knows the driver, psycopg2.

Its own blocking calls sit in libpq, where Ctrl-C does not reach: a command that waits for a lock, or for a server that is
gone, could only be killed. So a connection is asynchronous, and we wait for its socket ourselves, which Python interrupts.
(A wait callback does the same for all connections of a process, those of a user's own code among them, and takes COPY
from them.) An asynchronous connection begins no transaction by itself: BEGIN and COMMIT are statements like others.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE

from noria.adapters.sql.database import Row
from noria.adapters.sql.sqlstate import BAD_ADDRESS, Failed

UNANSWERED = 10  # s until the kernel gives a host up that acknowledges nothing; libpq then tries the address's next one
SILENT = 15  # s until a server that accepts and says nothing is given up; more than UNANSWERED, which needs its turn
AT_ONCE = (
    200  # rows of one message: 30 kB of labels, 300 kB of steps; a wait for the server is shared by so many
)

Values = Mapping[str, Any] | Sequence[Any]

_FOR = {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}
_ADDRESS: dict[str, Any] = {
    "application_name": "noria",
    "client_encoding": "UTF8",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "tcp_user_timeout": 1000 * UNANSWERED,
}


def connect(url: str) -> Wire:
    """A connection of which every statement is a transaction of its own, unless BEGIN came before it."""
    with _said():
        raw = psycopg2.connect(url, async_=True, **_ADDRESS)
        try:
            _wait(raw, seconds=SILENT)
        except BaseException:
            raw.close()
            raise
    return Wire(raw)


def connect_plainly(url: str) -> Any:
    """A connection as SQLAlchemy expects it: blocking, with the transactions of the driver."""
    return psycopg2.connect(url, connect_timeout=UNANSWERED, **_ADDRESS)


def failed(error: psycopg2.Error) -> Failed:
    """What the driver's error says. An error without a state that is of no kind in particular is a connection whose
    words no longer made sense."""
    state = error.pgcode or ""
    if not state and isinstance(error, psycopg2.ProgrammingError) and "invalid dsn" in str(error):
        state = BAD_ADDRESS
    gone = isinstance(error, psycopg2.OperationalError) or (
        type(error) is psycopg2.DatabaseError and not state
    )
    return Failed(state=state, text=str(error) or type(error).__name__, lost=gone)


class Wire:
    """Raises `Failed` for what the server, or libpq, refuses."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.used = time.monotonic()
        """When the server last answered."""

    @property
    def closed(self) -> bool:
        """Whether it is of no use any more, as far as is known without asking the server."""
        return bool(self._raw.closed)

    def ask(self, sql: str | bytes, values: Values | None = None) -> list[Row]:
        """The rows that a statement gives; none where it gives no rows. Parameters stand as %s, or as %(name)s."""
        with self._answering(), self._raw.cursor() as cursor:
            cursor.execute(sql, values)
            _wait(self._raw)
            return cursor.fetchall() if cursor.description else []

    def each(self, sql: str, rows: Sequence[Values]) -> None:
        """A statement once for each of these values, many in a message: the driver's own `executemany` waits for the
        server after every row. Rows to insert become one statement, which the server reads and plans once."""
        before, one, between = _for_many(sql)
        with self._raw.cursor() as cursor:
            for start in range(0, len(rows), AT_ONCE):
                page = [cursor.mogrify(one, values) for values in rows[start : start + AT_ONCE]]
                self.ask(before + between.join(page))

    def listen(self, wake: int) -> None:
        """Wait until the server says something unasked, as that it leaves, or the descriptor `wake` has something."""
        poll = select.poll()
        poll.register(self._raw.fileno(), select.POLLIN)
        poll.register(wake, select.POLLIN)
        poll.poll()

    def close(self) -> None:
        """Let go of it; what was not committed is undone by the server. A second time is harmless."""
        self._raw.close()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            with _said():
                yield
        except Failed:
            raise
        except BaseException:  # Ctrl-C, most of all: what the server makes of the statement will not be heard
            self._raw.close()
            raise
        self.used = time.monotonic()


def _for_many(sql: str) -> tuple[bytes, str, bytes]:
    """What stands once at the beginning, what is written for each row, and what stands between."""
    inserting = re.fullmatch(r"(INSERT .* VALUES )(\(.*\))", sql)
    return (inserting[1].encode(), inserting[2], b", ") if inserting else (b"", sql, b";")


@contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except psycopg2.Error as error:
        raise failed(error) from error


def _wait(raw: Any, *, seconds: float | None = None) -> None:
    """Until it is done with what it was asked; `seconds` is for how long it may be silent."""
    poll = select.poll()  # not `select`, which knows no descriptor beyond 1023
    while (state := raw.poll()) != POLL_OK:
        if state not in _FOR:
            raise psycopg2.OperationalError("the connection was lost")
        descriptor = raw.fileno()  # while it connects, each address that it tries has another
        poll.register(descriptor, _FOR[state])
        if not poll.poll(None if seconds is None else 1000 * seconds):
            raise psycopg2.OperationalError(f"the server said nothing for {seconds:g} s")
        poll.unregister(descriptor)
