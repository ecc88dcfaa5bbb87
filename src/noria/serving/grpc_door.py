"""The service's second door: the inference protocol over gRPC, answered by the same `Answering`, in the worker.

grpcio opens its sockets itself, so nobody can hand it one: each worker binds the port that the keeper reserved, with
SO_REUSEPORT, when it is told to accept. Clients connect again every few seconds, to whoever listens: so a worker that leaves
loses no call (see `grpc_leaving`).
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

import grpc
import msgspec

from noria.errors import NoriaError
from noria.records.tokens import Scope
from noria.serving import grpc_tensors, pages
from noria.serving.answering import Answering
from noria.serving.cause import Reference, reference
from noria.serving.errors import Broken, Unauthorised
from noria.serving.gate import HEADER, TWICE, Gate
from noria.serving.grpc_leaving import OPTIONS, come_of_age
from noria.serving.grpc_words import SERVICE, messages, methods
from noria.serving.hub import pass_on
from noria.serving.log import Narrator, stack
from noria.serving.messages import Response
from noria.serving.metrics import VersionMetrics
from noria.serving.neighbours import LOAD_SECONDS, Neighbours
from noria.serving.raw import Headers, Raw
from noria.serving.routes import BY_NAME, HUB_SECONDS
from noria.serving.service_errors import Refused
from noria.serving.siblings import CALL
from noria.serving.tls import Certificates
from noria.serving.traces import Traces, headers_of

LEAVING = 30.0  # s for calls in flight when a worker leaves; the keeper waits for 60 in all
CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}

SCOPES: dict[str, Scope | None] = {
    "ServerLive": None,
    "ServerReady": None,
    "ModelReady": None,
    "ServerMetadata": "infer",
    "ModelMetadata": "infer",
    "ModelInfer": "infer",
    "RepositoryIndex": "infer",
    "RepositoryModelLoad": "admin",
    "RepositoryModelUnload": "admin",
}
"""What a token must be for; None: none is needed."""

Act = Callable[[Any, Any], Awaitable[Any]]


class Models(Protocol):
    """Who answers calls: the model of a worker, or those of a service."""

    def all_ready(self) -> bool: ...

    async def ready(self, asked: Reference) -> bool:
        """Raises what says that there is no such model or version."""

    async def metadata(self, asked: Reference) -> dict[str, Any]: ...

    async def infer(self, asked: Reference, request: Any, raw: Raw) -> Any:
        """A response of the protocol's, or another process's `Response`; `raw`: the call as it is passed on."""


@dataclass(frozen=True)
class OwnModel:
    """The version of a worker, and those that it passes calls on to."""

    answering: Answering

    def all_ready(self) -> bool:
        return self.answering.ready

    async def ready(self, asked: Reference) -> bool:
        if self.answering.other(asked) is None:
            self.answering.named(asked)
        return self.answering.ready

    async def metadata(self, asked: Reference) -> dict[str, Any]:
        return pages.model_metadata(self.answering.named(asked))

    async def infer(self, asked: Reference, request: Any, raw: Raw) -> Any:
        form = partial(grpc_tensors.form, request)
        return await self.answering.routed(asked, form, raw)


@dataclass(frozen=True)
class AllModels:
    """The models of a service, as its door knows them."""

    neighbours: Neighbours

    def all_ready(self) -> bool:
        return self.neighbours.ready

    async def ready(self, asked: Reference) -> bool:
        if not self.neighbours.loaded(asked.model):
            return False
        response = await self._response(asked, "/ready")
        if response.status not in (200, 503):
            raise _told(response)
        return response.status == 200

    async def metadata(self, asked: Reference) -> dict[str, Any]:
        told: dict[str, Any] = msgspec.json.decode(await self._got(asked, ""))
        return told

    async def infer(self, asked: Reference, request: Any, raw: Raw) -> Any:
        raw.url = f"{_path(asked.model, asked.version)}/{CALL}".encode()
        return await self.neighbours.ask(asked.model, raw)

    async def _got(self, asked: Reference, what: str) -> bytes:
        """What its worker says over HTTP. Raises what it refuses."""
        response = await self._response(asked, what)
        if response.status != 200:
            raise _told(response)
        return response.body

    async def _response(self, asked: Reference, what: str) -> Response:
        raw = Raw(b"GET", (_path(asked.model, asked.version) + what).encode(), [], b"", keep=True)
        return await self.neighbours.ask(asked.model, raw)


class GrpcDoor:
    """Opens at `open`, for one event loop."""

    def __init__(
        self,
        models: Models,
        metrics: VersionMetrics,
        narrate: Narrator,
        gate: Gate,
        *,
        address: str,
        hub: str,
        max_body: int,
        certificates: Certificates | None = None,
        traces: Traces | None = None,
    ) -> None:
        self._traces = traces
        self._models = models
        self._metrics = metrics
        self._narrate = narrate
        self._gate = gate
        self._hub = hub
        self._address = address
        self._open = False
        self._certificates = certificates
        self._server = grpc.aio.server(
            options=[("grpc.so_reuseport", 1), ("grpc.max_receive_message_length", max_body), *OPTIONS]
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
        if self._certificates is None:
            self._server.add_insecure_port(self._address)
        else:
            self._server.add_secure_port(self._address, self._certificates.grpc())
        await self._server.start()

    async def close(self) -> None:
        """Let callers go to others, take no more calls, and finish those in flight."""
        if self._open:
            await come_of_age(int(self._address.rpartition(":")[2]))
            await self._server.stop(LEAVING)

    def _handler(self, name: str, act: Act, asked: str, answered: str) -> Any:
        words = messages()

        async def call(request: Any, context: Any) -> Any:
            self._metrics.began()
            try:
                self._check(name, request, context)
                response = await act(request, context)
            except NoriaError as error:
                await self._refuse(name, self._heard(error, context), context)
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

    def _check(self, name: str, request: Any, context: Any) -> None:
        """Raises what is wrong with a call's token."""
        scope = SCOPES[name]
        if scope is not None and self._gate.required:
            asked = getattr(request, "model_name", "") or getattr(request, "name", "")
            every = self._gate.models if name == "RepositoryIndex" else ()
            self._gate.check(_bearer(context), scope, *((reference(asked).model,) if asked else every))

    def _heard(self, error: NoriaError, context: Any) -> NoriaError:
        """As over HTTP: who may not ask at all hears nothing of what there is."""
        if isinstance(error, Unauthorised):
            return error
        return self._gate.stranger([(HEADER, _bearer(context))]) or error

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
        metadata = dict(context.invocation_metadata() or ())
        asked = _named(request.model_name, metadata.get(BY_NAME) or request.model_version)
        raw = call_of(request, headers_of(metadata))
        left = context.time_remaining()
        raw.within = math.inf if left is None else left
        with self._traced(raw, metadata):
            answer = await self._models.infer(asked, request, raw)
            return _unpacked(answer) if isinstance(answer, Response) else answer

    @contextmanager
    def _traced(self, raw: Raw, metadata: Mapping[str, Any]) -> Iterator[None]:
        """With a span, where the call's trace is sampled; the door of several models leaves that to whoever answers."""
        span = self._traces and self._traces.begin("infer", headers_of(metadata))
        if not span:
            yield
            return
        raw.span, status = span, 500
        try:
            yield
            status = 200
        except NoriaError as error:
            status = error.status
            raise
        finally:
            span.end(status)

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


def _bearer(context: Any) -> bytes:
    """A call's token, as the header of a request."""
    values = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
    return values[0].encode() if len(values) == 1 else TWICE if values else b""


def _named(name: str, version: str) -> Reference:
    return reference(name, version or None)


def _quoted(name: str) -> str:
    return quote(name, safe="@:") or "-"


def _path(model: str, version: str | None) -> str:
    return f"/v2/models/{_quoted(model)}" + (f"/versions/{_quoted(version)}" if version else "")


def call_of(request: Any, traced: Headers) -> Raw:
    """A call as it is passed on to a worker of another version, or of another model; `traced`: headers of its trace."""
    url = f"{_path(request.model_name, None)}/{CALL}".encode()
    headers = [(b"content-type", grpc_tensors.PROTOBUF.encode()), *traced]
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
