"""Which path means what: a table of routes, and the one door through which a worker's requests come."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from noria.errors import NoriaError
from noria.ports.clock import RealClock
from noria.records.tokens import Scope
from noria.serving import docs_page, openapi, pages
from noria.serving.answering import Answering, Quick
from noria.serving.cause import ASKED, OWN, Cause, Reference, reference
from noria.serving.chores import Chores
from noria.serving.errors import Broken, NoSuchPath, Unauthorised, WhichModel, WrongMethod
from noria.serving.forms import FORMS
from noria.serving.gate import Gate, bearer
from noria.serving.hub import pass_on
from noria.serving.log import Narrator, stack
from noria.serving.messages import Request, Response, refusal, reply
from noria.serving.metrics import Metrics, VersionMetrics
from noria.serving.neighbours import LOAD_SECONDS, Neighbours
from noria.serving.paths import DOCS, INDEX, LOAD, MODELS, OPENAPI, UNLOAD, V1, V2
from noria.serving.raw import Raw

BY_NAME = "x-noria-version"  # a header that names a version or an alias, for those who try one out
ABOUT_ALL = frozenset({"metrics", "models", "repository"})
"""Routes that tell of every model of the service, unless their path names one."""
HUB_SECONDS = 30.0  # s for the keeper to take labels, or to gather the metrics

Send = Callable[[bytes | Response], None]
Act = Callable[[Any, Request, dict[str, str | None]], Awaitable[Response]]
Entry = tuple[str, str, str, Act, Scope | None]
"""As the metrics call it, method, pattern, what answers, and what a token must be for."""


@dataclass(frozen=True)
class Route:
    name: str
    """As the metrics call it."""
    method: str
    path: re.Pattern[str]
    act: Act
    scope: Scope | None = None
    """What a token must be for; None: none is needed."""


class Routes:
    """A table of routes. `answer` never raises: whatever goes wrong is a response."""

    def __init__(
        self,
        table: tuple[Route, ...],
        metrics: Metrics,
        narrate: Narrator,
        *,
        about: str,
        gate: Gate | None = None,
    ) -> None:
        self.table = table
        self._gate = gate
        self._metrics = metrics
        self._narrate = narrate
        self._about = about
        self._chores = Chores()

    def answer(self, raw: Raw, send: Send) -> None:
        """Answer a request, sometime."""
        self._chores.begin(self._answer(raw, send))

    def refused(self, error: NoriaError) -> None:
        """Count a request that could not even be read whole."""
        self._metrics.request("unread", error.status)

    async def _answer(self, raw: Raw, send: Send) -> None:
        request = raw.request()
        send(await self.handle(request, raw))

    async def handle(self, request: Request, raw: Raw) -> Response:
        """The response to a whole request."""
        name, protocol = "unknown", request.path.startswith("/v2")
        try:
            route, named = self._admitted(request, raw)
            name = route.name
            response = await route.act(raw, request, named)
        except NoriaError as error:
            response = refusal(self._heard(error, raw), protocol=protocol)
        except (
            Exception
        ) as error:  # the outermost loop of a request: a fault of ours must not close the connection
            incident = secrets.token_hex(4)
            self._narrate("request.broke", incident=incident, path=_cut(request.path), stack=stack(error))
            response = refusal(Broken(incident=incident), protocol=protocol)
        self._metrics.request(name, response.status)
        return response

    def _admitted(self, request: Request, raw: Raw) -> tuple[Route, dict[str, str | None]]:
        """The route of a request that may be asked. Raises what `_route` and the gate raise."""
        route, named = self._route(request)
        if self._gate is not None and route.scope is not None:
            model = named.get("model")
            every = self._gate.models if route.name in ABOUT_ALL else ()
            self._gate.check(
                bearer(raw.headers), route.scope, *((reference(model).model,) if model else every)
            )
        return route, named

    def _heard(self, error: NoriaError, raw: Raw) -> NoriaError:
        """What a caller hears of an error: who may not ask at all, nothing of what there is."""
        if self._gate is None or isinstance(error, Unauthorised):
            return error
        return self._gate.stranger(raw.headers) or error

    def _route(self, request: Request) -> tuple[Route, dict[str, str | None]]:
        allowed = []
        method = "GET" if request.method == "HEAD" else request.method
        for route in self.table:
            found = route.path.fullmatch(request.path)
            if found is None:
                continue
            if route.method == method:
                return route, found.groupdict()
            allowed.append(route.method)
        if allowed:
            raise WrongMethod(path=_cut(request.path), method=request.method, allowed=allowed)
        raise NoSuchPath(path=_cut(request.path), model=self._about)


class Front:
    """A worker's paths."""

    def __init__(
        self,
        answering: Answering,
        metrics: VersionMetrics,
        narrate: Narrator,
        *,
        hub: str,
        gate: Gate | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        """`neighbours`: the other models of the service, where it has any."""
        self.answering = answering
        self._neighbours = neighbours
        self.gate = gate or Gate(answering.served.version.model, RealClock())
        self.problem = ""
        """Why the version that is followed is not the one that answers."""
        self._metrics = metrics
        self._hub = hub
        self._quick = _quick_paths(answering)
        model, table = answering.served.version.model, self._table()
        self.routes = Routes(table, metrics, narrate, about=model, gate=self.gate)
        self._admitted = Routes(table, metrics, narrate, about=model)

    def answer(self, raw: Raw, send: Send) -> None:
        """Answer a request, at once where that can be."""
        if raw.plain and raw.method == b"POST":
            quick = self._quick.get(raw.url)
            if quick is not None and quick[0](raw, send, quick[1]):
                return
        self._in_time(raw, send)

    def guarded(self, raw: Raw, send: Send) -> None:
        """The same where a token is wanted."""
        if raw.plain and raw.method == b"POST":
            quick = self._quick.get(raw.url)
            if quick is not None and self.gate.lets(raw) and quick[0](raw, send, quick[1]):
                return
        self._in_time(raw, send)

    def inside(self, raw: Raw, send: Send) -> None:
        """The same for what another process of the service has let in, and passes on over a socket that is the service's
        own: the token stayed there, and it goes no further from here."""
        quick = self._quick.get(raw.url) if raw.plain and raw.method == b"POST" else None
        if quick is None or not quick[0](raw, send, quick[1]):
            self._admitted.answer(raw, self._counted(send))

    def _in_time(self, raw: Raw, send: Send) -> None:
        sent = self._counted(send)
        if self._neighbours is None or not self._neighbours.takes(raw, sent):
            self.routes.answer(raw, sent)

    def _counted(self, send: Send) -> Send:
        """To send an answer to a request that is in flight until then."""
        metrics = self._metrics
        metrics.began()

        def sent(answer: bytes | Response) -> None:
            metrics.ended()
            send(answer)

        return sent

    async def predict(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return await self._careful(raw, request, _reference(named), "predict")

    async def infer(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return await self._careful(raw, request, _reference(named), "infer")

    async def _careful(self, raw: Raw, request: Request, asked: Reference, protocol: str) -> Response:
        wanted = Reference(asked.model, request.headers.get(BY_NAME) or asked.version)
        response: Response = await self.answering.routed(wanted, partial(FORMS[protocol], request), raw)
        return response

    async def feedback(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        # labels are for a model, whichever version answered
        self.answering.named(Reference(_reference(named).model))
        return await self.keeper(raw, request, named)

    async def keeper(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        self._metrics.tally.settle()
        return await pass_on(raw, self._hub, seconds=HUB_SECONDS)

    async def load(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return await pass_on(raw, self._hub, seconds=LOAD_SECONDS)

    async def summary(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        served = self.answering.named(_reference(named))
        return reply(pages.summary(served, follows=self.answering.follows, problem=self.problem))

    async def openapi(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(self._page())

    async def docs(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        served, follows = self.answering.served, self.answering.follows
        told = pages.summary(served, follows=follows, problem=self.problem)
        return Response(200, docs_page.html(told, self._page()), openapi.HTML)

    def _page(self) -> dict[str, Any]:
        served, follows = self.answering.served, self.answering.follows
        return openapi.page(served, follows=follows, several=self._neighbours is not None)

    async def metadata(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(pages.model_metadata(self.answering.named(_reference(named))))

    async def model_ready(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        asked = _reference(named)
        if self.answering.other(asked) is None:
            self.answering.named(asked)
        ready = self.answering.ready
        return reply({"name": asked.model, "ready": ready}, 200 if ready else 503)

    async def live(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply({"live": True})

    async def ready(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        others = self._neighbours is None or self._neighbours.ready
        return readiness(others and self.answering.ready)

    async def server(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(pages.server_metadata())

    def _table(self) -> tuple[Route, ...]:
        return tuple(
            Route(name, method, re.compile(path), partial(act), scope)
            for name, method, path, act, scope in (
                *self._paths(),
                *(() if self._neighbours is None else self._among_others()),
            )
        )

    def _paths(self) -> tuple[Entry, ...]:
        return (
            ("predict", "POST", V1 + "/predict", self.predict, "infer"),
            ("infer", "POST", V2 + "/infer", self.infer, "infer"),
            ("feedback", "POST", V1 + "/feedback", self.feedback, "feedback"),
            ("summary", "GET", V1, self.summary, "infer"),
            ("metadata", "GET", V2, self.metadata, "infer"),
            ("ready", "GET", V2 + "/ready", self.model_ready, None),
            ("live", "GET", "/v2/health/live", self.live, None),
            ("ready", "GET", "/v2/health/ready", self.ready, None),
            ("server", "GET", "/v2", self.server, "infer"),
            ("metrics", "GET", "/metrics", self.keeper, "metrics"),
            ("openapi", "GET", OPENAPI, _alone(self.openapi, self._neighbours), "infer"),
            ("docs", "GET", DOCS, _alone(self.docs, self._neighbours), "infer"),
            ("repository", "POST", INDEX, self.keeper, "infer"),
            ("repository", "POST", LOAD, self.load, "admin"),
            ("repository", "POST", UNLOAD, self.keeper, "admin"),
        )

    def _among_others(self) -> tuple[Entry, ...]:
        """What there is of each of several models."""
        return (
            ("models", "GET", MODELS, self.keeper, "infer"),
            ("openapi", "GET", V1 + OPENAPI, self.openapi, "infer"),
            ("docs", "GET", V1 + DOCS, self.docs, "infer"),
        )


def readiness(ready: bool) -> Response:
    """Whether the service answers with all models that it must."""
    return reply({"ready": ready}, 200 if ready else 503)


def _alone(act: Act, neighbours: Neighbours | None) -> Act:
    """A page of the one model, where there is but one."""
    return act if neighbours is None else of_one_model


async def of_one_model(raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
    """Raises `WhichModel`."""
    raise WhichModel(path=request.path)


def _quick_paths(answering: Answering) -> dict[bytes, tuple[Quick, Cause]]:
    """Every way in which a request may name the model or the version that answers, as the bytes of its path, what takes
    such a request, and whether it asks for this very version."""
    version, follows = answering.served.version, answering.follows
    model, number = version.model, version.number
    names = {f"{model}:{number}", f"{model}@{number}", f"{model}@{follows}", f"{model}:{follows}"}
    paths: dict[bytes, tuple[Quick, Cause]] = {}
    for name, cause in ((model, OWN), *((name, ASKED) for name in names)):
        paths[f"/v1/models/{name}/predict".encode()] = answering.rows, cause
        paths[f"/v2/models/{name}/infer".encode()] = answering.tensors, cause
    for each in (str(number), follows):
        paths[f"/v2/models/{model}/versions/{each}/infer".encode()] = answering.tensors, ASKED
    return paths


def _reference(named: dict[str, str | None]) -> Reference:
    return reference(named["model"] or "", named.get("version"))


def _cut(path: str) -> str:
    return path if len(path) <= 200 else path[:200] + " ..."
