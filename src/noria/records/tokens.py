"""Tokens: who may ask a project's services for what. A secret itself is never part of a record."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from noria.errors import Conflict
from noria.records.base import Record

CHAIN = "@access"
"""The chain of events about tokens: they are the project's, and no model's name begins so."""
Scope = Literal["infer", "feedback", "metrics", "admin"]
SCOPES: dict[Scope, str] = {
    "infer": "answers, what a model takes",
    "feedback": "labels",
    "metrics": "what the service counts",
    "admin": "loading and unloading versions",
}
SECRET = 32  # random bytes: nobody guesses them, so a plain hash of them is as good as a slow one
ID = 5  # random bytes of the part that is no secret: enough to tell tokens apart, and short enough to be read out
FORM = re.compile(rb"noria_([a-z2-7]{8})_[a-z2-7]{52}")
"""What scanners for secrets may look for."""
_PERSON = b"noria token 1"  # so that no other hash of the same bytes is the same


@dataclass(eq=False)
class TokenTaken(Conflict):
    code: ClassVar[str] = "TOKEN-TAKEN"
    what: ClassVar[str] = "there is a token {name} already"
    next: ClassVar[str] = "choose another name, or end that one first: noria token revoke {name}"
    name: str


@dataclass(eq=False)
class TokenGone(Conflict):
    code: ClassVar[str] = "TOKEN-GONE"
    what: ClassVar[str] = "the token {name} has been revoked already"
    next: ClassVar[str] = "noria token list"
    name: str


class Token(Record, kw_only=True):
    """A secret by its hash, and what whoever has it may do."""

    id: str
    name: str
    digest: str
    """Of the whole secret, in hex."""
    scopes: tuple[Scope, ...]
    models: tuple[str, ...] = ()
    """Those that it is good for; none: every model."""
    created: datetime
    by: str
    expires: datetime | None = None

    def usable(self, now: datetime) -> bool:
        return self.expires is None or now < self.expires


class TokenMade(Record, kw_only=True, tag="token.made"):
    """Refused where a token of this name holds already."""

    model: str = CHAIN
    token: Token


class TokenRevoked(Record, kw_only=True, tag="token.revoked"):
    """Refused where the token does not hold any more."""

    model: str = CHAIN
    id: str
    name: str
    by: str


def secret_of(random: bytes) -> str:
    """A token's secret, of `ID + SECRET` random bytes."""
    id, rest = (base64.b32encode(part).decode().rstrip("=").lower() for part in (random[:ID], random[ID:]))
    return f"noria_{id}_{rest}"


def id_of(secret: bytes) -> str | None:
    """The part that is no secret; None for what is no token."""
    found = FORM.fullmatch(secret)
    return found[1].decode() if found else None


def hashed(secret: bytes) -> str:
    return hashlib.blake2b(secret, digest_size=32, person=_PERSON).hexdigest()


class Tokens:
    """The tokens that were made and not revoked, as the events so far have it; expired ones among them."""

    def __init__(self, changes: Iterable[object] = ()) -> None:
        self.held: dict[str, Token] = {}
        """By id."""
        self.any = False
        """Whether there was ever one."""
        for change in changes:
            self.follow(change)

    def follow(self, change: object) -> None:
        match change:
            case TokenMade(token=token):
                self.held[token.id] = token
                self.any = True
            case TokenRevoked(id=id):
                self.held.pop(id, None)

    def named(self, name: str) -> Token | None:
        return next((token for token in self.held.values() if token.name == name), None)

    def require_free(self, name: str) -> None:
        """Raises `TokenTaken`."""
        if self.named(name) is not None:
            raise TokenTaken(name=name)

    def require_held(self, id: str, name: str) -> None:
        """Raises `TokenGone`."""
        if id not in self.held:
            raise TokenGone(name=name)

    def usable(self, now: datetime) -> list[Token]:
        return [token for token in self.held.values() if token.usable(now)]
