"""`python -m noria.serving`: one service in this process, and the wiring of its back ends.

On stdout comes one JSON line, `{"ready": true, "url": ...}`, once it answers; none when it cannot begin. stderr gets
events as JSON lines, and the error that kept it from beginning.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noria.errors import NoriaError, render
from noria.ports.clock import RealClock
from noria.ports.surroundings import FIXED, THREADS, in_force, surroundings
from noria.records.policy import ServicePolicy
from noria.serving.answering import Answering
from noria.serving.errors import OwnSurroundings
from noria.serving.follow import Follower, Identity, find
from noria.serving.labels import Labels
from noria.serving.lane import Lane
from noria.serving.log import Narrator, narrator
from noria.serving.metrics import Metrics
from noria.serving.routes import Front
from noria.serving.served import Loader

if TYPE_CHECKING:
    from noria.adapters.sql import Records
    from noria.ports.objects import ObjectStore
    from noria.ports.serving import PredictionLog
    from noria.records.base import Digest

DEFAULTS = ServicePolicy()


@dataclass(frozen=True)
class Trees:
    """The `CodeTrees` of a state folder."""

    store: ObjectStore
    into: Path

    def materialise(self, tree: Digest) -> Path:
        from noria.artifacts.trees import materialise

        return materialise(tree, self.store, self.into)


def main() -> int:
    """Serve until told to stop; the exit code."""
    options = _parser().parse_args()
    os.environ.update(dict.fromkeys(THREADS, str(options.threads)))  # the libraries are imported below
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
    from noria.adapters.sql import open_records
    from noria.serving.http import Transport
    from noria.serving.server import listen, serve, url_of

    with (
        open_records(os.environ.get("NORIA_RECORDS") or Path(options.state) / "noria.db") as records,
        listen(options.host, options.port) as bound,
    ):
        identity = f"{options.model}-{os.getpid()}-{secrets.token_hex(3)}"
        parts = _wire(options, records, Identity(id=identity, url=url_of(bound), pid=os.getpid()))

        def ready() -> None:
            service = parts.follower.record()
            records.services.announce(service)
            parts.narrate("service.ready", service=service.id, url=service.url, version=service.version)
            say({"ready": True, **msgspec.to_builtins(service)})

        try:
            serve(
                Transport(parts.front, max_body=options.max_body),
                bound,
                beside=parts.follower.run,
                ready=ready,
                until_stdin_closes=options.until_stdin_closes,
            )
        finally:
            parts.front.close()
            parts.log.close()
            records.services.withdraw(identity)
            parts.narrate("service.stopped", service=identity)


@dataclass(frozen=True)
class Parts:
    """What a service is made of."""

    front: Front
    follower: Follower
    log: PredictionLog
    narrate: Narrator


def _wire(options: argparse.Namespace, records: Records, identity: Identity) -> Parts:
    """The first version, loaded, with everything around it."""
    from noria.adapters.objects import open_objects
    from noria.adapters.prediction_log import LogReader, LogWriter
    from noria.artifacts import Artifacts
    from noria.inside.context import hold

    state, model, clock = Path(options.state).resolve(), options.model, RealClock()
    narrate = narrator(clock, sys.stderr.fileno())
    store, _ = open_objects(os.environ.get("NORIA_OBJECTS"), state)
    hold(store)
    loader = Loader(Artifacts(store), Trees(store, state / "code"), narrate, max_rows=options.max_rows)
    served = loader.load(find(records.versions, model, options.follow))
    log, lane = LogWriter(state / "log", model), Lane("answers")
    metrics = Metrics(log_size=lambda: log.size, waiting=lambda: lane.waiting)
    metrics.serving(model, served.version.number, options.follow)
    answering = Answering(
        served, follows=options.follow, log=log, metrics=metrics, clock=clock, narrate=narrate
    )
    labels = Labels(
        lambda: answering.served.version,
        model=model,
        records=records.feedback,
        predictions=LogReader(state / "log"),
        metrics=metrics,
        clock=clock,
        max_items=options.max_rows,
    )
    front = Front(answering, labels, lane, metrics, narrate)
    follower = Follower(
        identity,
        front,
        loader,
        versions=records.versions,
        services=records.services,
        metrics=metrics,
        clock=clock,
        narrate=narrate,
    )
    return Parts(front=front, follower=follower, log=log, narrate=narrate)


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
    add("--follow", default="champion", help="an alias, followed as it moves; or a version's number")
    add("--host", default=DEFAULTS.host)
    add("--port", type=int, default=DEFAULTS.port, help="0 takes a free one")
    add("--max-body", type=int, default=DEFAULTS.max_body, help="bytes of one request's body")
    add("--max-rows", type=int, default=DEFAULTS.max_rows, help="rows of one request")
    add(
        "--threads", type=int, default=1, help="threads of the model's libraries; a row is too small to share"
    )
    add("--until-stdin-closes", action="store_true", help="stop when whoever started this process is gone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
