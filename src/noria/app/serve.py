"""A service: its keeper with the workers that answer, and beside it the loop that keeps the wheel turning."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, ClassVar

from noria.app.gone import require_servable
from noria.app.living import withdraw_gone
from noria.app.log_columns import require_columns
from noria.app.promote import find_version
from noria.app.tokens import tokens_of
from noria.errors import BackendError, NoriaError, NotFound, UsageError
from noria.monitor.blocks import block_span
from noria.ports.surroundings import surroundings
from noria.records.base import canonical
from noria.records.policy import TlsPolicy
from noria.registry.references import CHAMPION, Aliased, parse_reference
from noria.serving.address import require_guarded

if TYPE_CHECKING:
    from noria.app.wiring import App
    from noria.records.policy import Loading

STOPPING = 65.0  # s; the keeper gives its workers 60 for what is in flight, and kills them itself


@dataclass(eq=False)
class ServiceDied(BackendError):
    code: ClassVar[str] = "SERVICE-DIED"
    what: ClassVar[str] = "the service of {reference} ended with {ending} before it was ready"
    next: ClassVar[str] = (
        "read what it wrote above; is the port free, and does `noria show {reference}` look right?"
    )
    reference: str
    ending: str


@dataclass(eq=False)
class NoChampions(NotFound):
    code: ClassVar[str] = "SERVE-CHAMPIONS"
    what: ClassVar[str] = "no model of noria.toml has a champion"
    next: ClassVar[str] = "noria run makes a version, noria promote gives it a name"


@dataclass(eq=False)
class ServedTwice(UsageError):
    code: ClassVar[str] = "SERVE-TWICE"
    what: ClassVar[str] = "{model} is named twice, as {references}"
    next: ClassVar[str] = (
        "name each model once; `noria service canary` lets another version answer beside its champion"
    )
    model: str
    references: Sequence[str]


@dataclass(eq=False)
class ServiceFailed(NoriaError):
    """What kept the service from beginning, with its own code."""

    code: ClassVar[str] = "SERVICE-FAILED"
    what: ClassVar[str] = "{detail}"
    next: ClassVar[str] = "{fix}"
    detail: str
    fix: str
    own: str
    ended: int

    def __post_init__(self) -> None:
        self.code = self.own  # type: ignore[misc]
        self.exit = self.ended  # type: ignore[misc]


@dataclass(frozen=True)
class Followed:
    """What a service answers with."""

    model: str
    follows: str
    """An alias, or a version's number."""

    def __str__(self) -> str:
        return f"{self.model}{':' if self.follows.isdecimal() else '@'}{self.follows}"


@dataclass(frozen=True)
class Serving:
    """A service that is ready to answer."""

    models: tuple[Followed, ...]
    url: str
    pid: int
    process: subprocess.Popen[bytes]
    tokens: bool = False
    """Whether callers need one."""
    grpc: str | None = None
    """Host and port of gRPC, where it is answered."""

    def wait(self) -> int:
        """Until it ends by itself; its exit code."""
        return self.process.wait()


@contextmanager
def serving(
    app: App,
    *references: str,
    host: str | None = None,
    port: int | None = None,
    load: Loading | None = None,
    log: IO[bytes] | None = None,
    tls: TlsPolicy | None = None,
) -> Iterator[Serving]:
    """Serve the versions or aliases that are named, from a process of its own, until the block ends; with none, the champion
    of every model that has one.

    Ready when the block begins; several models are loaded when they are asked for, unless `load` says "start". `log` takes
    the service's own log lines; None leaves them on stderr. Raises `UnknownVersion`, `VersionGone`, `NoChampions`,
    `ServedTwice` and `NotLoopback` before anything is started, `ServiceFailed` with the code of what kept the process from
    coming up, `ServiceDied` where it could not even say so.
    """
    references = references or champions(app)
    models = tuple(_followed(app, each) for each in references)
    _check_once(models)
    require_columns(app)
    require_host(app, host)
    withdraw_gone(app)
    process = subprocess.Popen(
        _command(app, models, host, port, load or app.policy.service.load, tls),
        stdin=subprocess.PIPE,  # its end tells the worker that nobody is left to serve for
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,  # Ctrl-C reaches us alone, and we stop it gracefully
        cwd=app.project,
        env=surroundings(os.environ) | app.elsewhere,
    )
    try:
        said = _ready(process, ", ".join(references))
        yield Serving(
            models=models,
            url=str(said["url"]),
            pid=process.pid,
            process=process,
            tokens=bool(said["tokens"]),
            grpc=str(said["grpc"]) if said["grpc"] else None,
        )
    finally:
        _stop(process)


def champions(app: App) -> tuple[str, ...]:
    """Every model of noria.toml that has a champion. Raises `NoChampions`."""
    names = [policy.name for policy in app.policy.models]
    found = tuple(f"{name}@{CHAMPION}" for name in names if CHAMPION in app.records.versions.aliases(name))
    if not found:
        raise NoChampions
    return found


def require_host(app: App, host: str | None) -> None:
    """Raises `NotLoopback` where strangers could ask a service that wants no token, `BadHost`."""
    service = app.policy.service
    tokens = bool(tokens_of(app).usable(app.clock.now()))
    require_guarded(host or service.host, auth=service.auth, tokens=tokens)


def _followed(app: App, text: str) -> Followed:
    """What a person names. Raises `UnknownVersion`, `VersionGone`."""
    version = find_version(app, text)
    require_servable(app, version)
    reference = parse_reference(text)
    return Followed(version.model, reference.alias if isinstance(reference, Aliased) else str(version.number))


def _check_once(models: Sequence[Followed]) -> None:
    """Raises `ServedTwice`: a path names a model, so it must be clear what answers."""
    for model, count in Counter(each.model for each in models).items():
        if count > 1:
            raise ServedTwice(model, [str(each) for each in models if each.model == model])


def _command(
    app: App,
    models: Sequence[Followed],
    host: str | None,
    port: int | None,
    load: Loading,
    tls: TlsPolicy | None,
) -> list[str]:
    from noria.source.environment import environment

    service = app.policy.service
    return [
        sys.executable,
        "-P",  # a user's http.py must not stand in for the standard library's
        "-m",
        "noria.serving",
        *("--state", os.fspath(app.state)),
        *_which(app, models),
        *("--load", load),
        *(() if service.idle is None else ("--idle", str(service.idle))),
        *("--host", host or service.host),
        *("--port", str(service.port if port is None else port)),
        *("--max-body", str(service.max_body)),
        *("--max-rows", str(service.max_rows)),
        *("--workers", str(service.workers)),
        *(() if service.spare else ("--no-spare",)),
        *("--deadline", str(service.deadline)),
        *("--patience", str(service.patience)),
        *(("--traces", service.traces) if service.traces else ()),
        *("--durability", service.durability),
        *("--auth", service.auth),
        *secured(app, tls),
        *("--log", canonical(service.log).decode()),
        *(() if service.grpc_port is None else ("--grpc-port", str(service.grpc_port))),
        *("--project", os.fspath(app.project)),
        *("--environment", canonical(environment(app.project)).decode()),
        "--until-stdin-closes",
        "--failure-on-stdout",
    ]


def _which(app: App, models: Sequence[Followed]) -> list[str]:
    """What is served, and when its labels are owed, as each model's monitor has it."""
    told = []
    for each in models:
        policy = app.model(each.model).monitor
        block = block_span(policy.block).total_seconds()
        told.append(
            {"model": each.model, "follow": each.follows, "maturity": policy.maturity, "block": block}
        )
    return ["--models", json.dumps(told)]


def secured(app: App, tls: TlsPolicy | None) -> list[str]:
    """Files are looked for from the project's folder. A certificate from the command line takes the place of the policy's;
    whom callers must be signed by stays."""
    policy = app.policy.service.tls
    client_ca = policy.client_ca if policy else None
    tls = TlsPolicy(certificate=tls.certificate, key=tls.key, client_ca=client_ca) if tls else policy
    if tls is None:
        return []
    given = {"--tls-cert": tls.certificate, "--tls-key": tls.key, "--tls-client-ca": tls.client_ca}
    pairs = ((name, os.fspath(app.project / path)) for name, path in given.items() if path is not None)
    return [word for pair in pairs for word in pair]


def _ready(process: subprocess.Popen[bytes], text: str) -> Mapping[str, object]:
    """The one line that the service prints when it can answer, or when it never will."""
    line = process.stdout.readline() if process.stdout else b""
    if not line:
        code = process.wait()
        ending = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise ServiceDied(reference=text, ending=ending)
    said: dict[str, object] = json.loads(line)
    if not said["ready"]:
        raise ServiceFailed(str(said["detail"]), str(said["next"]), str(said["code"]), int(str(said["exit"])))
    return said


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPPING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
