"""The service's second door: the inference protocol over gRPC, answered by the same `Answering`, in the worker.

grpcio opens its sockets itself, so nobody can hand it one: each worker binds the port that the keeper reserved, with
SO_REUSEPORT, when it is told to accept. A worker that leaves says GOAWAY: its clients connect again, to whoever listens.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import grpc
import msgspec

from noria.errors import NoriaError
from noria.serving import grpc_tensors, pages
from noria.serving.answering import Answering
from noria.serving.cause import Reference, reference
from noria.serving.connection import Raw
from noria.serving.errors import Broken, Refused
from noria.serving.grpc_words import SERVICE, messages, methods
from noria.serving.hub import pass_on
from noria.serving.log import Narrator, stack
from noria.serving.messages import Response
from noria.serving.metrics import VersionMetrics
from noria.serving.neighbours import LOAD_SECONDS, Neighbours
from noria.serving.routes import BY_NAME, HUB_SECONDS
from noria.serving.siblings import CALL

LEAVING = 30.0  # s for calls in flight when a worker leaves; the keeper waits for 60 in all
CODES = {
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

Act = Callable[[Any, Any], Awaitable[Any]]


class Models(Protocol):
    """Who answers calls: the model of a worker, or those of a service."""

    def all_ready(self) -> bool: ...

    async def ready(self, asked: Reference) -> bool:
        """Raises what says that there is no such model or version."""

    async def metadata(self, asked: Reference) -> dict[str, Any]: ...

    async def infer(self, asked: Reference, request: Any, seconds: float | None) -> Any:
        """A response of the protocol's, or another process's `Response`."""


@dataclass(frozen=True)
class OwnModel:
    """The version of a worker, and those that it passes calls on to."""

    answering: Answering

    def all_ready(self) -> bool:
        return True  # a worker takes no calls before it has answered rows of its own

    async def ready(self, asked: Reference) -> bool:
        if self.answering.other(asked) is None:
            self.answering.named(asked)
        return True

    async def metadata(self, asked: Reference) -> dict[str, Any]:
        return pages.model_metadata(self.answering.named(asked))

    async def infer(self, asked: Reference, request: Any, seconds: float | None) -> Any:
        form = partial(grpc_tensors.form, request)
        return await self.answering.routed(asked, form, call_of(request), seconds=seconds)


@dataclass(frozen=True)
class AllModels:
    """The models of a service, as its door knows them."""

    neighbours: Neighbours

    def all_ready(self) -> bool:
        return self.neighbours.ready

    async def ready(self, asked: Reference) -> bool:
        if not self.neighbours.loaded(asked.model):
            return False
        await self._got(asked, "/ready")
        return True

    async def metadata(self, asked: Reference) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.json.decode(await self._got(asked, ""))
        return told

    async def infer(self, asked: Reference, request: Any, seconds: float | None) -> Any:
        return await self.neighbours.ask(asked.model, call_of(request, asked.version), seconds)

    async def _got(self, asked: Reference, what: str) -> bytes:
        """What its worker says over HTTP. Raises what it refuses."""
        raw = Raw(b"GET", (_path(asked.model, asked.version) + what).encode(), [], b"", keep=True)
        response = await self.neighbours.ask(asked.model, raw)
        if response.status != 200:
            raise _told(response)
        return response.body


class GrpcDoor:
    """Opens at `open`, for one event loop."""

    def __init__(
        self,
        models: Models,
        metrics: VersionMetrics,
        narrate: Narrator,
        *,
        address: str,
        hub: str,
        max_body: int,
    ) -> None:
        self._models = models
        self._metrics = metrics
        self._narrate = narrate
        self._hub = hub
        self._address = address
        self._open = False
        self._server = grpc.aio.server(
            options=[("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", max_body)]
        )
        acts: dict[str, Act] = {
            "ServerLive": self.live,
            "ServerReady": self.ready,
            "ModelReady": self.model_ready,
            "ServerMetadata": self.server,
            "ModelMetadata": self.metadata,
            "ModelInfer": self.infer,
            "RepositoryIndex": self.index,
            "RepositoryModelLoad": self.load,
            "RepositoryModelUnload": self.unload,
        }
        handlers = {
            name: self._handler(name, acts[name], asked, answered) for name, asked, answered in methods()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def open(self) -> None:
        """Listen from now on."""
        self._open = True
        self._server.add_insecure_port(self._address)
        await self._server.start()

    async def close(self) -> None:
        """Take no more calls, and finish those in flight."""
        if self._open:
            await self._server.stop(LEAVING)

    def _handler(self, name: str, act: Act, asked: str, answered: str) -> Any:
        words = messages()

        async def call(request: Any, context: Any) -> Any:
            self._metrics.began()
            try:
                response = await act(request, context)
            except NoriaError as error:
                await self._refuse(name, error, context)
            except Exception as error:  # the outermost loop of a call, as of a request
                incident = secrets.token_hex(4)
                self._narrate("request.broke", incident=incident, path=name, stack=stack(error))
                await self._refuse(name, Broken(incident=incident), context)
            else:
                self._metrics.request(f"grpc.{name}", 200)
                return response
            finally:
                self._metrics.ended()

        return grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=words[asked].FromString,
            response_serializer=words[answered].SerializeToString,
        )

    async def _refuse(self, name: str, error: NoriaError, context: Any) -> None:
        self._metrics.request(f"grpc.{name}", error.status)
        code = CODES.get(error.status, grpc.StatusCode.INVALID_ARGUMENT)
        await context.abort(code, f"{error.code}: {error}; {error.advice()}")

    async def live(self, request: Any, context: Any) -> Any:
        return messages()["ServerLiveResponse"](live=True)

    async def ready(self, request: Any, context: Any) -> Any:
        return messages()["ServerReadyResponse"](ready=self._models.all_ready())

    async def model_ready(self, request: Any, context: Any) -> Any:
        ready = await self._models.ready(_named(request.name, request.version))
        return messages()["ModelReadyResponse"](ready=ready)

    async def server(self, request: Any, context: Any) -> Any:
        return messages()["ServerMetadataResponse"](**pages.server_metadata())

    async def metadata(self, request: Any, context: Any) -> Any:
        told = await self._models.metadata(_named(request.name, request.version))
        return messages()["ModelMetadataResponse"](**told)

    async def infer(self, request: Any, context: Any) -> Any:
        by_name = dict(context.invocation_metadata() or ()).get(BY_NAME)
        asked = _named(request.model_name, by_name or request.model_version)
        answer = await self._models.infer(asked, request, context.time_remaining())
        return _unpacked(answer) if isinstance(answer, Response) else answer

    async def index(self, request: Any, context: Any) -> Any:
        response = await self._keeper("/v2/repository/index", msgspec.json.encode({"ready": request.ready}))
        models = msgspec.json.decode(response.body)
        return messages()["RepositoryIndexResponse"](models=models)

    async def load(self, request: Any, context: Any) -> Any:
        await self._keeper(f"/v2/repository/models/{_quoted(request.model_name)}/load", seconds=LOAD_SECONDS)
        return messages()["RepositoryModelLoadResponse"]()

    async def unload(self, request: Any, context: Any) -> Any:
        await self._keeper(f"/v2/repository/models/{_quoted(request.model_name)}/unload")
        return messages()["RepositoryModelUnloadResponse"]()

    async def _keeper(self, path: str, body: bytes = b"", *, seconds: float = HUB_SECONDS) -> Response:
        """The keeper's response. Raises what it refused the request with."""
        headers = [(b"content-type", b"application/json")]
        raw = Raw(b"POST", path.encode(), headers, body, keep=False)
        response = await pass_on(raw, self._hub, seconds=seconds)
        if response.status != 200:
            raise _told(response)
        return response


def _named(name: str, version: str) -> Reference:
    return reference(name, version or None)


def _quoted(name: str) -> str:
    return quote(name, safe="@:") or "-"


def _path(model: str, version: str | None) -> str:
    return f"/v2/models/{_quoted(model)}" + (f"/versions/{_quoted(version)}" if version else "")


def call_of(request: Any, version: str | None = None) -> Raw:
    """A call as it is passed on to a worker of another version, or of another model."""
    reference = _named(request.model_name, "")
    url = f"{_path(reference.model, version)}/{CALL}".encode()
    headers = [(b"content-type", grpc_tensors.PROTOBUF.encode())]
    return Raw(b"POST", url, headers, request.SerializeToString(), keep=True)


def _unpacked(response: Response) -> Any:
    """Another version's answer. Raises what it refused the call with."""
    if response.status != 200:
        raise _told(response)
    return messages()["ModelInferResponse"].FromString(response.body)


def _told(response: Response) -> NoriaError:
    """A refusal of another process, as an error of this one."""
    body = msgspec.json.decode(response.body)
    return Refused(body["error"], body["next"], body["code"], response.status)
