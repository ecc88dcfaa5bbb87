"""`python -m noria.serving`: a service, kept by this process, and the wiring of its back ends.

On stdout comes one JSON line, `{"ready": true, "url": ...}`, once it answers; none when it cannot begin. stderr gets
events as JSON lines, and the error that kept it from beginning.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noria.errors import NoriaError, render
from noria.ports.clock import RealClock
from noria.ports.surroundings import FIXED, in_force, surroundings
from noria.records.base import parse
from noria.records.policy import LogPolicy, ServicePolicy
from noria.records.sources import Environment
from noria.records.versions import Version
from noria.serving.address import host_and_port, listen, reserve, url_of
from noria.serving.admin import Admin
from noria.serving.bundle import Bundle
from noria.serving.connection import BODY_SECONDS
from noria.serving.environments import Environments
from noria.serving.errors import OwnSurroundings
from noria.serving.fleet import Fleet, Plan
from noria.serving.follow import Follower, Identity
from noria.serving.keeper import Hub, Keeper, admin_path
from noria.serving.labels import Labels
from noria.serving.log import Narrator, narrator
from noria.serving.metrics import Metrics
from noria.serving.repository import Repository
from noria.serving.rows import log_schema
from noria.serving.sample import sample_of
from noria.serving.tally import Tally
from noria.serving.tending import Tending
from noria.serving.traffic import Traffic
from noria.serving.veil import check_roles

if TYPE_CHECKING:
    from noria.adapters.sql import Records

DEFAULTS = ServicePolicy()


def main() -> int:
    """Serve until told to stop; the exit code."""
    options = _parser().parse_args()
    _leave_working_folder()
    try:
        _in_surroundings()
        say = _own_stdout()
        run(options, say)
    except NoriaError as error:
        print(render(error), file=sys.stderr)
        return error.exit
    return 0


def run(options: argparse.Namespace, say: Callable[[dict[str, object]], None]) -> None:
    """Serve a state folder's model. Raises a `NoriaError` when it cannot begin."""
    import uvloop

    from noria.adapters.sql import open_records

    with (
        open_records(os.environ.get("NORIA_RECORDS") or Path(options.state) / "noria.db") as records,
        listen(options.host, options.port) as bound,
        _grpc(options) as grpc,
        tempfile.TemporaryDirectory(prefix="noria-serving-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        options.grpc = host_and_port(grpc) if grpc else ""
        runner.run(_live(options, records, bound, Path(folder), say))


async def _live(
    options: argparse.Namespace,
    records: Records,
    bound: socket.socket,
    folder: Path,
    say: Callable[[dict[str, object]], None],
) -> None:
    identity = Identity(
        id=f"{options.model}-{os.getpid()}-{secrets.token_hex(3)}",
        url=url_of(bound),
        pid=os.getpid(),
        admin=str(admin_path(folder / "hub")),
    )
    narrate = narrator(RealClock(), sys.stderr.fileno())
    keeper, follower = _wire(options, records, bound, folder, identity, narrate)

    async def ready() -> None:
        await follower.announce()
        service = follower.record()
        narrate("service.ready", service=service.id, url=service.url, version=service.version)
        say({"ready": True, **msgspec.to_builtins(service), "grpc": options.grpc or None})

    try:
        await keeper.live(ready, until_stdin_closes=options.until_stdin_closes)
    finally:
        records.services.withdraw(identity.id)
        narrate("service.stopped", service=identity.id)


def _wire(
    options: argparse.Namespace,
    records: Records,
    bound: socket.socket,
    folder: Path,
    identity: Identity,
    narrate: Narrator,
) -> tuple[Keeper, Follower]:
    from noria.adapters.log_reader import LogReader
    from noria.adapters.log_secret import hashing_of
    from noria.adapters.objects import open_objects
    from noria.artifacts import Artifacts

    state, clock, hub_path = Path(options.state).resolve(), RealClock(), folder / "hub"
    store, _ = open_objects(os.environ.get("NORIA_OBJECTS"), state)
    artifacts = Artifacts(store)
    here = parse(options.environment, Environment) if options.environment else None
    environments = Environments(here, Path(options.project or options.state), narrate)
    fleet = Fleet(bound, folder, narrate)
    log_policy = parse(options.log, LogPolicy) if options.log else LogPolicy()
    metrics = Metrics(Tally())

    def planned(version: Version) -> Plan:
        check_roles(version.signature, log_policy, version=version.name)
        bundle = Bundle(
            version=version,
            follows=options.follow,
            state=str(state),
            log_schema=log_schema(version.signature, log_policy.hash),
            sample=sample_of(version, artifacts, narrate),
            objects=os.environ.get("NORIA_OBJECTS"),
            hub=str(hub_path),
            max_body=options.max_body,
            max_rows=options.max_rows,
            deadline=options.deadline,
            patience=options.patience,
            durability=options.durability,
            log=log_policy,
            body_seconds=options.body_seconds,
            grpc=options.grpc,
        )
        return Plan(
            bundle,
            python=environments.python_of(version),
            variables=surroundings(os.environ),
            workers=options.workers,
            threads=options.threads,
            spare=not options.no_spare,
        )

    traffic = Traffic(
        options.model,
        fleet,
        lambda name: Fleet(None, folder, narrate, name=name),
        planned,
        records.versions,
        state / "routing" / f"{options.model}@{options.follow}.json",
        metrics,
        narrate,
    )
    follower = Follower(
        identity,
        options.model,
        options.follow,
        fleet,
        planned,
        versions=records.versions,
        services=records.services,
        metrics=metrics,
        clock=clock,
        narrate=narrate,
        crowned=traffic.crowned,
        named=traffic.named,
    )

    def serving() -> Version:
        if follower.serving is None:
            raise RuntimeError("labels came before any version answered")
        return follower.serving

    labels = Labels(
        serving,
        model=options.model,
        records=records.feedback,
        predictions=LogReader(state / "log"),
        metrics=metrics,
        clock=clock,
        max_items=options.max_rows,
        hashing=hashing_of(state, log_policy),
    )
    repository = Repository(options.model, options.follow, records.versions, follower, traffic.loaded)
    hub = Hub(labels, fleet, traffic, metrics, narrate, repository)
    admin = Admin(traffic, metrics, narrate)
    tending = _tending(options, state, log_policy, metrics, narrate)
    return Keeper(
        bound, hub, follower, admin, hub_path=hub_path, max_body=options.max_body, tending=tending
    ), follower


def _tending(
    options: argparse.Namespace, state: Path, policy: LogPolicy, metrics: Metrics, narrate: Narrator
) -> Tending:
    from noria.adapters.log_rotation import Rotation

    given = {"--keep": policy.keep, "--maturity": options.maturity, "--block": options.block}
    words = [word for name, value in given.items() if value is not None for word in (name, repr(value))]
    due = Rotation(state / "log", options.model).due
    return Tending(options.model, ["--state", str(state), *words], due, metrics, narrate)


def _grpc(options: argparse.Namespace) -> AbstractContextManager[socket.socket | None]:
    """The port that workers answer gRPC on, kept for them."""
    return nullcontext() if options.grpc_port is None else reserve(options.host, options.grpc_port)


def _in_surroundings() -> None:
    """Let the interpreter begin again, as the same process with the same pipes, when it was not started with what a
    worker has. Raises `OwnSurroundings` when it would not listen."""
    if in_force():
        return
    wanted = surroundings(os.environ)
    if all(os.environ.get(name) == wanted[name] for name in FIXED):
        raise OwnSurroundings
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)


def _leave_working_folder() -> None:
    """`python -m` puts the working folder before everything: a version must find its own tree's modules alone."""
    if Path(sys.path[0] or ".").resolve() == Path.cwd() and not Path(__file__).is_relative_to(Path.cwd()):
        del sys.path[0]


def _own_stdout() -> Callable[[dict[str, object]], None]:
    """The line to whoever started this process. What a pipeline prints while it is imported goes to stderr."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(line: dict[str, object]) -> None:
        with suppress(BrokenPipeError):  # nobody reads any more: the service is of use all the same
            channel.write(msgspec.json.encode(line).decode() + "\n")
            channel.flush()

    return say


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m noria.serving", description="Serve one model from a state folder."
    )
    add = parser.add_argument
    add("--state", required=True, help="the project's .noria folder")
    add("--model", required=True)
    add("--project", help="the project's folder, where versions' environments are built from")
    add("--environment", help="what this interpreter is for the project, as JSON")
    add("--follow", default="champion", help="an alias, followed as it moves; or a version's number")
    add("--host", default=DEFAULTS.host)
    add("--port", type=int, default=DEFAULTS.port, help="0 takes a free one")
    add("--body-seconds", type=float, default=BODY_SECONDS, help="for a whole request to come")
    add("--grpc-port", type=int, help="where to answer over gRPC as well; 0 takes a free one")
    add("--max-body", type=int, default=DEFAULTS.max_body, help="bytes of one request's body")
    add("--max-rows", type=int, default=DEFAULTS.max_rows, help="rows of one request")
    add("--workers", type=int, default=DEFAULTS.workers, help="processes that answer")
    add("--no-spare", action="store_true", help="keep no loaded process beside a single worker")
    add(
        "--deadline",
        type=float,
        default=DEFAULTS.deadline,
        help="seconds that a request may wait for its turn",
    )
    add(
        "--patience",
        type=float,
        default=DEFAULTS.patience,
        help="seconds that a challenger has before the champion answers",
    )
    add(
        "--durability",
        choices=("sync", "async", "off"),
        default=DEFAULTS.durability,
        help="of the prediction log",
    )
    add("--maturity", type=float, help="seconds after a block before its labels are owed")
    add("--block", type=float, help="seconds of a block of event time")
    add("--log", help="what of the rows is logged, and how long it is kept, as JSON")
    add(
        "--threads", type=int, default=1, help="threads of the model's libraries; a row is too small to share"
    )
    add("--until-stdin-closes", action="store_true", help="stop when whoever started this process is gone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
