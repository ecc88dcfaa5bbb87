"""`python -m noria.serving`: a service, kept by this process.

On stdout comes one JSON line, `{"ready": true, "url": ...}`, once it answers; none when it cannot begin. stderr gets
events as JSON lines, and the error that kept it from beginning; with `--failure-on-stdout` that error is the line.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noria.errors import NoriaError, problem, render
from noria.ports.clock import RealClock
from noria.ports.surroundings import FIXED, in_force, surroundings
from noria.records.policy import ServicePolicy
from noria.serving.address import host_and_port, listen, reserve, url_of
from noria.serving.connection import BODY_SECONDS
from noria.serving.log import narrator
from noria.serving.own_folder import own_folder
from noria.serving.service_errors import OwnSurroundings
from noria.serving.wiring import Wiring

if TYPE_CHECKING:
    from noria.adapters.sql import Records

DEFAULTS = ServicePolicy()


def main() -> int:
    """Serve until told to stop; the exit code."""
    options = _parser().parse_args()
    _leave_working_folder()
    say: Callable[[dict[str, object]], None] | None = None
    try:
        _in_surroundings()
        say = _own_stdout()
        run(options, say)
    except NoriaError as error:
        if say is not None and options.failure_on_stdout:
            say({"ready": False, "exit": error.exit, **problem(error)})
        else:
            print(render(error), file=sys.stderr)
        return error.exit
    return 0


def run(options: argparse.Namespace, say: Callable[[dict[str, object]], None]) -> None:
    """Serve a state folder's models. Raises a `NoriaError` when it cannot begin."""
    import uvloop

    from noria.adapters.sql import open_records

    with (
        open_records(os.environ.get("NORIA_RECORDS") or Path(options.state) / "noria.db") as records,
        listen(options.host, options.port) as bound,
        _grpc(options) as grpc,
        own_folder() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        options.grpc = host_and_port(grpc) if grpc else ""
        runner.run(_live(options, records, bound, folder, say))


async def _live(
    options: argparse.Namespace,
    records: Records,
    bound: socket.socket,
    folder: Path,
    say: Callable[[dict[str, object]], None],
) -> None:
    narrate = narrator(RealClock(), sys.stderr.fileno())
    wiring = Wiring(options, records, folder, narrate)
    keeper, followers = wiring.service(bound, url_of(bound, tls=bool(options.tls_cert)))
    wiring.warn()

    async def ready() -> None:
        for follower in followers:
            await follower.announce()
            service = follower.record()
            narrate("service.ready", service=service.id, url=service.url, version=service.version)
        told = [msgspec.to_builtins(follower.record()) for follower in followers]
        more = {"grpc": options.grpc or None, "tokens": wiring.asks}
        say({"ready": True, **told[0], **more, "models": told})

    try:
        await keeper.live(ready, until_stdin_closes=options.until_stdin_closes)
    finally:
        for id in [follower.record().id for follower in followers]:
            records.services.withdraw(id)
            narrate("service.stopped", service=id)


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
        prog="python -m noria.serving", description="Serve models from a state folder."
    )
    _add_models(parser)
    _add_address(parser)
    _add_limits(parser)
    _add_log(parser)
    _add_own(parser)
    return parser


def _add_models(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--state", required=True, help="the project's .noria folder")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", help="the one model that is served")
    which.add_argument("--models", help="those that are served, each with `model` and `follow`, as JSON")
    add("--load", choices=("asked", "start"), default="asked", help="when several models are loaded")
    add("--idle", type=float, help="seconds after which one of several models is unloaded that nobody asks")
    add("--project", help="the project's folder, where versions' environments are built from")
    add("--environment", help="what this interpreter is for the project, as JSON")
    add("--follow", default="champion", help="an alias, followed as it moves; or a version's number")


def _add_address(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default=DEFAULTS.host)
    add("--port", type=int, default=DEFAULTS.port, help="0 takes a free one")
    add("--grpc-port", type=int, help="where to answer over gRPC as well; 0 takes a free one")
    add("--auth", choices=("tokens", "off"), default=DEFAULTS.auth, help="whether callers need a token")
    add("--tls-cert", help="a certificate in PEM: the service speaks TLS")
    add("--tls-key", help="its key")
    add("--tls-client-ca", help="who must have signed the certificate of a caller")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    wait = "seconds that a request may wait for its turn"
    patience = "seconds that a challenger has before the champion answers"
    threads = "threads of the model's libraries; a row is too small to share"
    add("--body-seconds", type=float, default=BODY_SECONDS, help="for a whole request to come")
    add("--max-body", type=int, default=DEFAULTS.max_body, help="bytes of one request's body")
    add("--max-rows", type=int, default=DEFAULTS.max_rows, help="rows of one request")
    add("--workers", type=int, default=DEFAULTS.workers, help="processes that answer")
    add("--no-spare", action="store_true", help="keep no loaded process beside a single worker")
    add("--deadline", type=float, default=DEFAULTS.deadline, help=wait)
    add("--patience", type=float, default=DEFAULTS.patience, help=patience)
    add("--threads", type=int, default=1, help=threads)


def _add_log(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    durabilities = ("sync", "async", "off")
    add("--durability", choices=durabilities, default=DEFAULTS.durability, help="of the prediction log")
    add("--maturity", type=float, help="seconds after a block before its labels are owed")
    add("--block", type=float, help="seconds of a block of event time")
    add("--log", help="what of the rows is logged, and how long it is kept, as JSON")
    add("--traces", default="", help="a collector's address, for traces of requests by OTLP over HTTP")


def _add_own(parser: argparse.ArgumentParser) -> None:
    """What its starter wants of the process itself."""
    add = parser.add_argument
    add("--failure-on-stdout", action="store_true", help="say there, as JSON, why it cannot begin")
    add("--until-stdin-closes", action="store_true", help="stop when whoever started this process is gone")


if __name__ == "__main__":
    sys.exit(main())
