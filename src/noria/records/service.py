"""A running service, as it announces itself."""

from __future__ import annotations

from datetime import datetime

from noria.records.base import Record


class Service(Record):
    """One worker process that answers for an alias or a fixed version."""

    id: str
    model: str
    follows: str
    """The alias or the number after the `@` or `:`."""
    url: str
    pid: int
    version: int
    """The version that answers now."""
    seen: datetime
    problem: str = ""
    """Why the version that the alias names is not the one that answers; empty when it is."""
    admin: str = ""
    """The Unix socket, for its owner alone, where its routes and workers are looked at and changed."""
