"""Who may ask a worker for what: the tokens that hold, as the keeper wrote them down, and a caller's own beside them.

The quickest kind of request costs one walk over its headers: what came on this connection before, with the same table,
need not be looked up again.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from noria.ports.clock import Clock
from noria.records.base import Record, parse
from noria.records.tokens import Scope, Token, hashed, id_of
from noria.serving.errors import REALM, Unauthorised
from noria.serving.log import Narrator
from noria.serving.raw import Headers, Raw

HEADER = b"authorization"
TWICE = b"\0"  # stands for two headers, of which nobody knows which one counts


class Admitted(Record, kw_only=True):
    """What the keeper writes down for its workers."""

    required: bool
    """Whether a token is needed at all."""
    tokens: tuple[Token, ...] = ()


@dataclass(eq=False)
class TokenMissing(Unauthorised):
    code: ClassVar[str] = "TOKEN-MISSING"
    status: ClassVar[int] = 401
    what: ClassVar[str] = "this service wants a token"
    next: ClassVar[str] = (
        "send `Authorization: Bearer SECRET`; noria token create NAME --scope {scope} makes one"
    )
    scope: str


@dataclass(eq=False)
class TokenUnknown(Unauthorised):
    code: ClassVar[str] = "TOKEN-UNKNOWN"
    status: ClassVar[int] = 401
    what: ClassVar[str] = "{problem}"
    next: ClassVar[str] = "noria token list shows those that hold; noria token create makes another one"
    challenge: ClassVar[str] = f'{REALM}, error="invalid_token"'
    problem: str


@dataclass(eq=False)
class TokenScope(Unauthorised):
    code: ClassVar[str] = "TOKEN-SCOPE"
    status: ClassVar[int] = 403
    what: ClassVar[str] = "the token {name} is for {given}, and this wants {wanted}"
    next: ClassVar[str] = "ask with another token, or make one: noria token create NAME --scope {wanted}"
    challenge: ClassVar[str] = f'{REALM}, error="insufficient_scope"'
    name: str
    given: Sequence[str]
    wanted: str


@dataclass(eq=False)
class TokenModel(Unauthorised):
    code: ClassVar[str] = "TOKEN-MODEL"
    status: ClassVar[int] = 403
    what: ClassVar[str] = "the token {name} is not for {model}"
    next: ClassVar[str] = "ask with another token, or make one: noria token create NAME --models {model}"
    challenge: ClassVar[str] = f'{REALM}, error="insufficient_scope"'
    name: str
    model: str


class Gate:
    """The door of one process. For its event loop."""

    def __init__(self, model: str, clock: Clock, *, beside: Sequence[str] = ()) -> None:
        """`model`: whose answers it guards; `beside`: all models of its service, where it has several."""
        self.required = False
        self.models = tuple(beside) or (model,)
        self._model = model
        self._clock = clock
        self._tokens: dict[str, Token] = {}

    def follow(self, admitted: Admitted) -> None:
        """Go by these from now on, on open connections too."""
        self._tokens = {token.id: token for token in admitted.tokens}
        self.required = admitted.required

    def lets(self, raw: Raw) -> bool:
        """Whether a request for answers of this worker's model may go the quick way; where not, `check` says why."""
        value, connection = bearer(raw.headers), raw.connection
        known = connection.known if connection is not None else None
        if known is None or known[0] != value or known[1] is not self._tokens:
            known = self._remembered(value)
            if connection is None or known is None:
                return False
            connection.known = known
        token: Token = known[2]
        return token.expires is None or token.usable(self._clock.now())

    def check(self, value: bytes, scope: Scope | None, *models: str) -> None:
        """Hold the value of a request's header against what it asks for; None: nothing that a token would open. The token
        must be for each of `models`; with none, for any of the service's. Raises `TokenMissing`, `TokenUnknown`,
        `TokenScope`, `TokenModel`."""
        if not self.required:
            return
        token = self._held(value, scope or "infer")
        if scope is not None and scope not in token.scopes:
            raise TokenScope(name=token.name, given=token.scopes, wanted=scope)
        if not token.models:
            return
        closed = [each for each in models or self.models if each not in token.models]
        if closed and (models or len(closed) == len(self.models)):
            raise TokenModel(name=token.name, model=closed[0])

    def stranger(self, headers: Headers) -> Unauthorised | None:
        """What is wrong with the token of a request that is not whole yet, whatever it asks for."""
        try:
            self.check(bearer(headers), None)
        except Unauthorised as error:
            return error
        return None

    def _remembered(self, value: bytes) -> tuple[bytes, dict[str, Token], Token] | None:
        try:
            self.check(value, "infer", self._model)
            return value, self._tokens, self._held(value, "infer")
        except Unauthorised:
            return None

    def _held(self, value: bytes, scope: Scope) -> Token:
        if not value:
            raise TokenMissing(scope=scope)
        kind, _, secret = value.partition(b" ")
        secret = secret.strip()
        id = id_of(secret) if kind.lower() == b"bearer" else None
        if id is None:
            raise TokenUnknown("the header `Authorization` has no token of Noria's")
        token = self._tokens.get(id)
        if token is None or not hmac.compare_digest(token.digest, hashed(secret)):
            raise TokenUnknown("this token does not hold")
        if not token.usable(self._clock.now()):
            raise TokenUnknown(f"the token {token.name} has expired")
        return token


def written(path: Path, narrate: Narrator) -> Admitted:
    """What the keeper wrote down last; where that cannot be read, rather nobody than somebody whose token was revoked."""
    try:
        return parse(path.read_bytes(), Admitted)
    except (OSError, msgspec.MsgspecError) as error:
        narrate("tokens.unread", why=str(error))
        return Admitted(required=True)


def bearer(headers: Headers) -> bytes:
    """The value of the header that carries a token; empty where there is none."""
    found = b""
    for name, value in headers:
        if len(name) == 13 and name.lower() == HEADER:  # its length first: it is the only one of that length
            if found:
                return TWICE
            found = value
    return found
