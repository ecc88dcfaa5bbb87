"""Running services, looked at and changed while they run: who answers whom, and with how many workers.

A service is asked over its admin socket, on the machine where it runs. Each verb says what is wanted; the table that it was
worked out from is named by its generation, so that nobody undoes what somebody else has just done.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from noria.app.living import listens
from noria.errors import NoriaError, NotFound, Unavailable, UsageError
from noria.records.base import canonical
from noria.records.routing import Routing
from noria.records.service import Service
from noria.serving.change import Wanted, WantedChallenger, worked_out

if TYPE_CHECKING:
    from noria.app.wiring import App

PATIENCE = (
    600.0  # s; a change waits until the workers that it needs are ready, and a large model takes minutes
)
_EXITS = {400: 2, 404: 3, 409: 3, 500: 1}


@dataclass(eq=False)
class NoService(NotFound):
    code: ClassVar[str] = "SERVICE-NONE"
    what: ClassVar[str] = "no service {asked} runs on this machine; {known}"
    next: ClassVar[str] = "noria serve {model}, or noria service list"
    asked: str
    model: str
    known: str


@dataclass(eq=False)
class SeveralServices(UsageError):
    code: ClassVar[str] = "SERVICE-SEVERAL"
    what: ClassVar[str] = "several services of {model} run: {services}"
    next: ClassVar[str] = "name one of them: --service ID"
    model: str
    services: Sequence[str]


@dataclass(eq=False)
class ServiceSilent(Unavailable):
    code: ClassVar[str] = "SERVICE-SILENT"
    what: ClassVar[str] = "the service {service} does not answer on its admin socket: {problem}"
    next: ClassVar[str] = "is it running as you, on this machine? noria status shows when it was last seen"
    service: str
    problem: str


@dataclass(eq=False)
class ServiceRefused(NoriaError):
    """What the service itself said, with its own code."""

    code: ClassVar[str] = "SERVICE-REFUSED"
    what: ClassVar[str] = "{detail}"
    next: ClassVar[str] = "{fix}"
    detail: str
    fix: str
    answered: int
    own: str

    def __post_init__(self) -> None:
        self.code = self.own  # type: ignore[misc]
        self.exit = _EXITS.get(self.answered, 4)  # type: ignore[misc]


class WorkerView(msgspec.Struct, frozen=True):
    """One worker process."""

    worker: str
    pid: int
    version: int
    state: str
    in_flight: int
    connections: int


class RoutingView(msgspec.Struct, frozen=True):
    """A service's routing, and who carries it out."""

    table: Routing
    workers: tuple[WorkerView, ...]
    problems: dict[str, str]
    """Why versions that it named are not in it any more."""
    kept: bool = True
    """Whether the service that comes after this one takes it up."""
    restoring: tuple[int, ...] = ()
    """Versions of the table of before the service began, whose workers are being started; then that table holds."""


class Changed(msgspec.Struct, frozen=True):
    """What came of a change."""

    table: Routing
    changed: bool
    told: int = 0
    of: int = 0


def services_here(app: App) -> tuple[Service, ...]:
    """Those that run on this machine, of every model."""
    return tuple(one for one in app.records.services.services() if one.admin and listens(one.admin))


def service_of(app: App, model: str, id: str | None = None) -> Service:
    """The one service of a model. Raises `NoService`, `SeveralServices`."""
    running = [one for one in services_here(app) if one.model == model]
    found = [one for one in running if id in (None, one.id)]
    if not found:
        known = f"there is {', '.join(one.id for one in running)}" if running else f"none of {model} does"
        raise NoService(asked=id or f"of {model}", model=model, known=known)
    if len(found) > 1:
        raise SeveralServices(model=model, services=[one.id for one in found])
    return found[0]


def routing_of(service: Service) -> RoutingView:
    """Raises `ServiceSilent`, `ServiceRefused`."""
    return msgspec.json.decode(_asked(service, "GET", f"/v1/routing/{service.model}"), type=RoutingView)


def canary(service: Service, version: int, share: float, *, dry_run: bool = False) -> Changed:
    """Let a version answer for a share of the units, as a challenger; 0 only loads it."""
    table = routing_of(service).table
    challengers = [one for one in _challengers(table) if one.version != version]
    challengers.append(WantedChallenger(version=version, share=share))
    shadows = tuple(one for one in table.shadows if one != version)
    return put(service, table, tuple(challengers), shadows, dry_run=dry_run)


def shadow(service: Service, version: int, *, dry_run: bool = False) -> Changed:
    """Let a version answer copies of all requests, for nobody."""
    table = routing_of(service).table
    challengers = tuple(one for one in _challengers(table) if one.version != version)
    shadows = tuple(dict.fromkeys([*table.shadows, version]))
    return put(service, table, challengers, shadows, dry_run=dry_run)


def clear(service: Service, version: int | None, *, dry_run: bool = False) -> Changed:
    """Let the champion answer everything that a version did; for None, everything."""
    table = routing_of(service).table
    challengers = tuple(one for one in _challengers(table) if version not in (None, one.version))
    shadows = tuple(one for one in table.shadows if version not in (None, one))
    return put(service, table, challengers, shadows, dry_run=dry_run)


def scale(service: Service, workers: int, version: int | None = None) -> Changed:
    """Let so many workers answer with a version; with the champion for None."""
    body = msgspec.json.encode({"workers": workers, "version": version})
    return msgspec.json.decode(_asked(service, "POST", f"/v1/workers/{service.model}", body), type=Changed)


def _challengers(table: Routing) -> list[WantedChallenger]:
    """Each at its place."""
    return [
        WantedChallenger(version=one.version, share=one.share, start=one.start) for one in table.challengers
    ]


def put(
    service: Service,
    table: Routing,
    challengers: tuple[WantedChallenger, ...],
    shadows: tuple[int, ...],
    *,
    salt: str | None = None,
    dry_run: bool = False,
) -> Changed:
    """Let another table hold in the place of `table`. Raises `ServiceSilent`, `ServiceRefused`."""
    wanted = Wanted(generation=table.generation, challengers=challengers, shadows=shadows, salt=salt)
    new = worked_out(wanted, table)
    if dry_run:
        return Changed(table=new, changed=not new.same(table))
    answer = _asked(service, "PUT", f"/v1/routing/{service.model}", canonical(wanted))
    return msgspec.json.decode(answer, type=Changed)


def _asked(service: Service, method: str, path: str, body: bytes | None = None) -> bytes:
    """The body of the answer. Raises `ServiceSilent`, `ServiceRefused`."""
    connection = _Local(service.admin)
    try:
        connection.request(method, path, body)
        response = connection.getresponse()
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ServiceSilent(service=service.id, problem=str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if response.status != 200:
        raise _refused(response.status, msgspec.json.decode(data))
    return data


def _refused(status: int, problem: Mapping[str, str]) -> ServiceRefused:
    return ServiceRefused(detail=problem["detail"], fix=problem["next"], answered=status, own=problem["code"])


class _Local(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("service", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
