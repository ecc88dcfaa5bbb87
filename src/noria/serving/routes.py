"""Which path means what: a table of routes, and the one door through which a request comes."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from noria.errors import NoriaError
from noria.serving import pages
from noria.serving.answering import Answering, Reference, reference
from noria.serving.errors import Broken, NoSuchPath, WrongMethod
from noria.serving.labels import Labels
from noria.serving.lane import Lane
from noria.serving.log import Narrator, stack
from noria.serving.messages import TEXT, Request, Response, refusal, reply
from noria.serving.metrics import Metrics


@dataclass(frozen=True)
class Route:
    name: str
    """As the metrics call it."""
    method: str
    path: re.Pattern[str]
    act: Callable[[Any, Request, dict[str, str | None]], Awaitable[Response]]


class Front:
    """A service's paths. `handle` never raises: whatever goes wrong is a response."""

    def __init__(
        self, answering: Answering, labels: Labels, lane: Lane, metrics: Metrics, narrate: Narrator
    ) -> None:
        self.answering = answering
        self.problem = ""
        """Why the version that is followed is not the one that answers."""
        self._lane = lane
        self._labels = labels
        self._labels_lane = Lane("labels")
        self._metrics = metrics
        self._narrate = narrate

    async def handle(self, request: Request) -> Response:
        """The response to a whole request."""
        name, protocol = "unknown", request.path.startswith("/v2")
        try:
            route, named = self._route(request)
            name = route.name
            response = await route.act(self, request, named)
        except NoriaError as error:
            response = refusal(error, protocol=protocol)
        except (
            Exception
        ) as error:  # the outermost loop of a request: a fault of ours must not close the connection
            incident = secrets.token_hex(4)
            self._narrate("request.broke", incident=incident, path=_cut(request.path), stack=stack(error))
            response = refusal(Broken(incident=incident), protocol=protocol)
        self._metrics.request(name, response.status)
        return response

    def refuse(self, error: NoriaError, path: str) -> Response:
        """The response to a request that could not even be read whole."""
        self._metrics.request("unread", error.status)
        return refusal(error, protocol=path.startswith("/v2"))

    def close(self) -> None:
        self._lane.close()
        self._labels_lane.close()

    def _route(self, request: Request) -> tuple[Route, dict[str, str | None]]:
        allowed = []
        for route in ROUTES:
            found = route.path.fullmatch(request.path)
            if found is None:
                continue
            if route.method == request.method:
                return route, found.groupdict()
            allowed.append(route.method)
        if allowed:
            raise WrongMethod(path=_cut(request.path), method=request.method, allowed=allowed)
        raise NoSuchPath(path=_cut(request.path), model=self.answering.served.version.model)

    async def predict(self, request: Request, named: dict[str, str | None]) -> Response:
        work = partial(self.answering.predict, request, _reference(named), time.perf_counter())
        return await self._lane.do(work, size=len(request.body))

    async def infer(self, request: Request, named: dict[str, str | None]) -> Response:
        work = partial(self.answering.infer, request, _reference(named), time.perf_counter())
        return await self._lane.do(work, size=len(request.body))

    async def feedback(self, request: Request, named: dict[str, str | None]) -> Response:
        self.answering.named(
            Reference(_reference(named).model)
        )  # labels are for a model, whichever version answered
        return await self._labels_lane.do(partial(self._labels.take, request), size=len(request.body))

    async def summary(self, request: Request, named: dict[str, str | None]) -> Response:
        served = self.answering.named(_reference(named))
        return reply(pages.summary(served, follows=self.answering.follows, problem=self.problem))

    async def metadata(self, request: Request, named: dict[str, str | None]) -> Response:
        return reply(pages.model_metadata(self.answering.named(_reference(named))))

    async def model_ready(self, request: Request, named: dict[str, str | None]) -> Response:
        served = self.answering.named(_reference(named))
        return reply({"name": served.version.model, "ready": True})

    async def live(self, request: Request, named: dict[str, str | None]) -> Response:
        return reply({"live": True})

    async def ready(self, request: Request, named: dict[str, str | None]) -> Response:
        return reply({"ready": True})  # a service listens only once a version answers, and always keeps one

    async def server(self, request: Request, named: dict[str, str | None]) -> Response:
        return reply(pages.server_metadata())

    async def metrics(self, request: Request, named: dict[str, str | None]) -> Response:
        return Response(200, self._metrics.page(), TEXT)


def _reference(named: dict[str, str | None]) -> Reference:
    return reference(named["model"] or "", named.get("version"))


def _cut(path: str) -> str:
    return path if len(path) <= 200 else path[:200] + " ..."


V1 = r"/v1/models/(?P<model>[^/]+)"
V2 = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"

ROUTES = tuple(
    Route(name, method, re.compile(path), act)
    for name, method, path, act in (
        ("predict", "POST", V1 + "/predict", Front.predict),
        ("infer", "POST", V2 + "/infer", Front.infer),
        ("feedback", "POST", V1 + "/feedback", Front.feedback),
        ("summary", "GET", V1, Front.summary),
        ("metadata", "GET", V2, Front.metadata),
        ("ready", "GET", V2 + "/ready", Front.model_ready),
        ("live", "GET", "/v2/health/live", Front.live),
        ("ready", "GET", "/v2/health/ready", Front.ready),
        ("server", "GET", "/v2", Front.server),
        ("metrics", "GET", "/metrics", Front.metrics),
    )
)
