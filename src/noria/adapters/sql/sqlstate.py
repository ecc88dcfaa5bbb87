"""What PostgreSQL refuses, and which of Noria's errors that is: pure, and free of any driver."""

from __future__ import annotations

import re
from dataclasses import dataclass

from noria.adapters.sql.errors import StoreBusy, StoreDamaged, StoreFailed, StoreLost, StoreRefused
from noria.errors import NoriaError

BAD_ADDRESS = "noria"  # in a state's place: no server was asked
NOT_UNIQUE = "23"  # the class of states of a broken constraint

_FIXES = {
    "28": "set PGUSER and PGPASSWORD, or write ~/.pgpass (mode 0600)",
    "3D": "create the database: createdb NAME",
    "42501": "let the role own the schema: ALTER DATABASE NAME OWNER TO ROLE",
    BAD_ADDRESS: "write it as postgresql://user@host:port/database",
}
"""What to do when a server refuses, by the beginning of its SQLSTATE."""

_WORDS = {
    r"password authentication failed|no password supplied|role .* does not exist|pg_hba": "28",
    r"database .* does not exist": "3D",
    r"for connection option|invalid port number": BAD_ADDRESS,
}
"""Where libpq tells in words alone why a connection did not come about: the state that it means."""

_WAITED = ("55P03", "40001", "40P01", "57014", "53300")
"""Lock, serialization, deadlock, time-out, too many clients."""


@dataclass(eq=False)
class Failed(Exception):
    """What the server said, or libpq; not yet in Noria's words."""

    state: str
    """The SQLSTATE; empty where libpq speaks."""
    text: str
    lost: bool
    """Whether the connection, or the server's resources for it, are gone; else the statement was wrong."""

    def __str__(self) -> str:
        return f"{self.state} {self.text}".strip()


def known(failed: Failed, *, url: str, op: str, busy: float) -> NoriaError | None:
    """The typed error; None for one that only a fault of Noria's own can cause."""
    state, store, reason = failed.state, shown(url), _sentence(failed.text, url)
    if failed.lost and not state:
        state = _told_in_words(reason)
    for beginning, fix in _FIXES.items():
        if state.startswith(beginning):
            return StoreRefused(store=store, reason=reason, fix=fix)
    if state in _WAITED:
        return StoreBusy(store=store, op=op, seconds=busy)
    if state in ("XX001", "XX002"):
        return StoreDamaged(store=store, op=op, reason=reason)
    if state.startswith(("53", "58")):  # disk full, input or output failed
        return StoreFailed(store=store, op=op, reason=reason)
    return StoreLost(store=store, op=op, reason=reason) if failed.lost else None


def shown(url: str) -> str:
    """The address without a password."""
    plain = re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", url)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", plain)


def without_secrets(text: str, url: str) -> str:
    """A sentence that may be shown."""
    found = re.search(r"://[^/@:]*:([^/@]*)@|[?&]password=([^&]*)", url)
    for secret in filter(None, found.groups() if found else ()):
        text = text.replace(secret, "***")
    return text


def _told_in_words(reason: str) -> str:
    return next((state for pattern, state in _WORDS.items() if re.search(pattern, reason)), "")


def _sentence(text: str, url: str) -> str:
    """The first line, without what libpq repeats of the address."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    return without_secrets(lines[0] if lines else "no reason given", url)
