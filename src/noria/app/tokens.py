"""Tokens for a project's services: made, listed and revoked. A secret is seen once, by whoever made it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from noria.errors import NotFound, UsageError
from noria.records.tokens import (
    CHAIN,
    ID,
    SCOPES,
    SECRET,
    Scope,
    Token,
    TokenMade,
    TokenRevoked,
    Tokens,
    hashed,
    id_of,
    secret_of,
)

if TYPE_CHECKING:
    from noria.app.wiring import App

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LONGEST = timedelta(days=3650)  # what is to be good for longer is meant to be good for ever


@dataclass(eq=False)
class BadToken(UsageError):
    code: ClassVar[str] = "TOKEN-BAD"
    what: ClassVar[str] = "no such token can be made: {problem}"
    next: ClassVar[str] = "{fix}"
    problem: str
    fix: str


@dataclass(eq=False)
class NoToken(NotFound):
    code: ClassVar[str] = "TOKEN-NONE"
    what: ClassVar[str] = "no token {name} holds; {known}"
    next: ClassVar[str] = "noria token list"
    name: str
    known: str


@dataclass(frozen=True)
class Made:
    """A new token, and its secret, which is nowhere else; None where nothing was made."""

    token: Token
    secret: str | None
    first: bool
    """Whether it is the project's first: its services ask for tokens from now on."""


def tokens_of(app: App) -> Tokens:
    """The project's tokens as they are now."""
    return Tokens(change for _, change in app.records.ledger.events(CHAIN))


def create(
    app: App,
    name: str,
    *,
    scopes: Sequence[str],
    models: Sequence[str] = (),
    expires: timedelta | None = None,
    by: str,
    dry_run: bool = False,
) -> Made:
    """Make a token. Raises `BadToken`, `UnknownModel`, and `Conflict` where one of this name holds."""
    known = tokens_of(app)
    secret = secret_of(secrets.token_bytes(ID + SECRET))
    now = app.clock.now()
    token = Token(
        id=id_of(secret.encode()) or "",
        name=_name(name),
        digest=hashed(secret.encode()),
        scopes=_scopes(scopes),
        models=tuple(dict.fromkeys(app.model(model).name for model in models)),
        created=now,
        by=by,
        expires=now + _span(expires) if expires is not None else None,
    )
    known.require_free(token.name)
    if dry_run:
        return Made(token, None, not known.any)
    app.records.ledger.append(CHAIN, [TokenMade(token=token)], at=now)
    return Made(token, secret, not known.any)


def revoke(app: App, name: str, *, by: str, dry_run: bool = False) -> Token:
    """End a token, by its name, its id, or the secret that somebody has seen. Raises `NoToken`, and `Conflict` when somebody else has just done so."""
    tokens, name = tokens_of(app), id_of(name.encode()) or name  # an error must not repeat a secret
    token = tokens.named(name) or tokens.held.get(name)
    if token is None:
        names = sorted(one.name for one in tokens.held.values())
        raise NoToken(name=name, known=f"there is {', '.join(names)}" if names else "there is none")
    if not dry_run:
        change = TokenRevoked(id=token.id, name=token.name, by=by)
        app.records.ledger.append(CHAIN, [change], at=app.clock.now())
    return token


def _name(name: str) -> str:
    if id_of(name.encode()) is not None:  # somebody who mixes up a name and a secret must not see it kept
        raise BadToken(problem="its name is a secret", fix="choose a name, such as ci")
    if NAME.fullmatch(name) is None:
        raise BadToken(
            problem=f"{name!r} is no name", fix="use small letters, digits, ., _ and -; 64 at most"
        )
    return name


def _scopes(scopes: Sequence[str]) -> tuple[Scope, ...]:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        problem = f"{unknown[0]!r} is no scope" if unknown else "it could do nothing"
        raise BadToken(problem=problem, fix=f"--scope takes {', '.join(SCOPES)}, joined by commas")
    return tuple(scope for scope in SCOPES if scope in scopes)


def _span(expires: timedelta) -> timedelta:
    if not timedelta(0) < expires <= LONGEST:
        raise BadToken(
            problem="it would not expire within ten years", fix="leave --expires out for one without an end"
        )
    return expires
