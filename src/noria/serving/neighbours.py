"""The other models of a service, as one of its workers, or its door, asks them.

A request for another model goes on to a worker of that one over its Unix socket, as it came. Then its connection moves there,
so that the next requests on it are answered without a hop. A connection whose requests go now to one model and now to another
stays where it is after some moves, and its requests go on.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import httptools
import msgspec

from noria.errors import NoriaError
from noria.serving import wire
from noria.serving.cause import reference
from noria.serving.chores import Chores
from noria.serving.connection import Connection
from noria.serving.errors import Broken, NoSuchModel, Overloaded, TooLate, Unauthorised
from noria.serving.gate import Gate, bearer
from noria.serving.hub import pass_on
from noria.serving.log import Narrator, stack
from noria.serving.messages import Response, refusal, reply
from noria.serving.metrics import Metrics
from noria.serving.paths import is_probe, scope_of
from noria.serving.raw import Raw
from noria.serving.service_errors import ModelLoading, NotNow, Refused, Unreachable
from noria.serving.siblings import FRONT, Siblings, Unanswered

MOVES = (
    4  # of a connection between models; who alternates is answered over a hop from then on, which is cheaper
)
WAITING = 1024  # requests that wait in one process for models to be loaded; as many wait for a batch
REFUSED = (401, 403)  # of who may not ask: no work is done for its connection
LOAD_SECONDS = 300.0  # s; as long as the keeper waits for the workers of a version
BY_NAME = b"x-noria-version"
PATH = re.compile(r"/v[12]/models/([^/]+)(/.*)?", re.DOTALL)

Send = Callable[[bytes | Response], None]


class Neighbours:
    """For one event loop. `own`: the model that is answered here; empty for none."""

    def __init__(
        self,
        own: str,
        *,
        hub: str,
        deadline: float,
        metrics: Metrics,
        narrate: Narrator,
        channel: Any,
        gate: Gate,
    ) -> None:
        self.ready = False
        """Whether the models are loaded that must be, and can log what they answer."""
        self._own = own
        self._hub = hub
        self._deadline = deadline
        self._metrics = metrics
        self._narrate = narrate
        self._channel = channel
        self._gate = gate
        self._loop = asyncio.get_running_loop()
        self._serial = 0
        self._models: tuple[str, ...] = ()
        self._siblings: dict[str, Siblings] = {}
        self._loading: dict[str, asyncio.Task[NoriaError | None]] = {}
        self._waiting = 0
        self._chores = Chores()

    # -- what the keeper says

    def follow(self, message: wire.Neighbours) -> None:
        """Go by these from now on. Nobody is asked any more who is not in them."""
        self.ready, self._models, self._serial = message.ready, tuple(message.models), message.serial
        for model, neighbour in message.models.items():
            self._find(model, neighbour.sockets)
        wire.say(self._channel, wire.Knows(serial=message.serial))

    def _find(self, model: str, sockets: tuple[str, ...]) -> None:
        if model in self._siblings:
            self._siblings[model].move(sockets)
        elif sockets:
            self._siblings[model] = Siblings(sockets, self._loop)

    # -- what callers ask

    def takes(self, raw: Raw, send: Send) -> bool:
        """Take a request that names another model than the own one; False for any other request."""
        model = model_of(raw.url)
        if model is None or model == self._own:
            return False
        self._chores.begin(self._answer(model, raw, send))
        return True

    def loaded(self, model: str) -> bool:
        """Whether somebody answers with it. Raises `NoSuchModel`."""
        if model not in self._models:
            raise NoSuchModel(asked=model[:200], models=self._models)
        return model in self._siblings and self._siblings[model].there

    async def ask(self, model: str, raw: Raw) -> Response:
        """Another model's response, whatever its status; loaded where it is not. Raises `NoSuchModel`, `ModelLoading`,
        `Overloaded`, `TooLate`, `Unreachable`, and what keeps it from being loaded."""
        until = raw.until(self._loop.time(), self._deadline)
        while True:
            if not self.loaded(model):
                await self._load(model, until)
            try:
                return await self._siblings[model].ask(
                    _as_got(raw), way=FRONT, seconds=until - self._loop.time(), more=_by_name(raw)
                )
            except Unanswered as failure:
                if failure.response is not None:
                    return failure.response
                if failure.kind == "late":
                    raise TooLate from failure
                if failure.sent:
                    raise Unreachable(problem=f"the worker of {model} that was asked is gone") from failure
            await self._load(model, until)  # nobody was there to ask: the keeper knows who will be

    async def _answer(self, model: str, raw: Raw, send: Send) -> None:
        response = await self._response(model, raw)
        self._metrics.request("other-model", response.status)
        moving = self._moving(raw, model) if response.status not in REFUSED else None
        if moving is not None:
            moving.transport.pause_reading()  # what comes next is for those who will go on with it
        send(response)
        if moving is not None:
            self._loop.call_soon(self._move, moving, model)

    async def _response(self, model: str, raw: Raw) -> Response:
        protocol = raw.url.startswith(b"/v2")
        try:
            return await self._admitted(model, raw)
        except Unauthorised as error:
            return refusal(error, protocol=protocol)
        except NoriaError as error:  # who may not ask at all hears nothing of what there is
            return refusal(self._gate.stranger(raw.headers) or error, protocol=protocol)
        except Exception as error:  # the outermost loop of a request, as in `Routes`
            self._narrate("neighbour.broke", model=model, stack=stack(error))
            return refusal(Broken(incident="neighbour.broke"), protocol=protocol)

    async def _admitted(self, model: str, raw: Raw) -> Response:
        """The response to a request that may be asked: nothing is loaded for anybody else. Raises what the gate raises too."""
        request = raw.request()
        probe = is_probe(request.method, request.path)
        if not probe:
            self._gate.check(bearer(raw.headers), scope_of(request.method, request.path), model)
        loaded = self.loaded(model)
        if request.path.endswith("/feedback"):  # the keeper takes labels, whether a model is loaded or not
            return await pass_on(raw, self._hub, seconds=self._deadline)
        if probe and not loaded:  # a probe loads nothing
            return reply({"name": model, "ready": False}, 503)
        response = await self.ask(model, raw)
        stranger = self._gate.stranger(raw.headers) if response.status != 200 else None
        if stranger is not None:
            raise stranger
        return response

    def _moving(self, raw: Raw, model: str) -> Connection | None:
        """The connection of a request, where it is to go on with those who answered it."""
        connection = raw.connection
        if connection is None or not raw.keep or connection.moves >= MOVES or connection.secured:
            return None
        there = model in self._siblings and self._siblings[model].there
        return connection if there and not connection.transport.is_closing() else None

    def _move(self, connection: Connection, model: str) -> None:
        """Let a connection go on elsewhere, if it is between two requests."""
        taken = connection.part()
        if taken is None:
            if not connection.transport.is_closing():
                connection.transport.resume_reading()
            return
        with taken:
            wire.say(self._channel, wire.Take(to=model, moves=connection.moves + 1), [taken])

    # -- models that are not loaded

    async def _load(self, model: str, until: float) -> None:
        """Wait until somebody answers with a model. Raises `Overloaded`, `ModelLoading`, and why it cannot be."""
        if self._waiting >= WAITING:
            raise Overloaded(waiting=self._waiting)
        self._waiting += 1
        try:
            async with asyncio.timeout_at(until):
                refused = await asyncio.shield(self._asked_for(model))
        except TimeoutError:
            raise ModelLoading(model=model) from None
        finally:
            self._waiting -= 1
        if refused is not None:
            raise refused

    def _asked_for(self, model: str) -> asyncio.Task[NoriaError | None]:
        """One question to the keeper, however many wait for it."""
        task = self._loading.get(model)
        if task is None:
            task = self._loading[model] = self._loop.create_task(self._need(model))
            task.add_done_callback(lambda _: self._loading.pop(model, None))
        return task

    async def _need(self, model: str) -> NoriaError | None:
        raw = Raw(b"POST", f"/v1/models/{model}/need".encode(), [], b"", keep=False)
        try:
            response = await pass_on(raw, self._hub, seconds=LOAD_SECONDS)
        except Unreachable as error:
            return error
        told = msgspec.json.decode(response.body)
        if response.status != 200:
            return _told(told, response.status)
        if told["serial"] >= self._serial:  # else the keeper has said something newer meanwhile
            self._find(model, tuple(told["sockets"]))
        return None


def model_of(url: bytes) -> str | None:
    """The model that a request's path names, read as the routes read it; None where it names none."""
    path = httptools.parse_url(url).path or b"/"
    found = PATH.fullmatch(path.decode("latin-1"))
    return reference(found[1]).model if found else None


def _told(problem: dict[str, str], status: int) -> NoriaError:
    """A refusal of the keeper as one of ours."""
    if status == NotNow.status:
        return NotNow(problem["detail"], problem["next"], problem["code"])
    return Refused(problem["detail"], problem["next"], problem["code"], status)


def _as_got(raw: Raw) -> Raw:
    """A HEAD is answered as a GET whose body the connection leaves out."""
    if raw.method != b"HEAD":
        return raw
    return Raw(b"GET", raw.url, raw.headers, raw.body, raw.keep)


def _by_name(raw: Raw) -> list[tuple[bytes, bytes]]:
    """The one header of ours that a caller may send."""
    return [(BY_NAME, value) for name, value in raw.headers if name.lower() == BY_NAME][:1]
