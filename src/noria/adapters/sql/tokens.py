"""Tokens are their events alone: what holds is looked up there, inside the transaction that changes it.

There are few of them and they change seldom, so a table beside the events would only be one more thing to disagree.
"""

from __future__ import annotations

import msgspec

from noria.adapters.sql.database import Connection
from noria.records.tokens import TokenMade, TokenRevoked, Tokens

_SAID = (
    "SELECT outline FROM events WHERE model = :model AND kind IN ('token.made', 'token.revoked') ORDER BY seq"
)
_decode = msgspec.json.Decoder(TokenMade | TokenRevoked).decode


def admit(connection: Connection, made: TokenMade) -> None:
    """Raises `TokenTaken`."""
    _held(connection, made.model).require_free(made.token.name)


def revoke(connection: Connection, revoked: TokenRevoked) -> None:
    """Raises `TokenGone`."""
    _held(connection, revoked.model).require_held(revoked.id, revoked.name)


def _held(connection: Connection, model: str) -> Tokens:
    return Tokens(_decode(outline) for (outline,) in connection.all(_SAID, {"model": model}))
