"""`noria serve`"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import ClassVar

from noria.app.rollouts.driver import driving
from noria.app.serve import Followed, Serving, serving
from noria.app.watch import Watch
from noria.app.wiring import App, open_app
from noria.cli.commands import BadUsage, Subparsers, parser_of, project
from noria.cli.inside import inside
from noria.cli.render import note, paint, say
from noria.cli.watch import interval, look
from noria.errors import BackendError, Corrupt, render
from noria.records.policy import TlsPolicy
from noria.registry.references import CHAMPION


@dataclass(eq=False)
class ServiceEnded(BackendError):
    code: ClassVar[str] = "SERVICE-ENDED"
    what: ClassVar[str] = "the service of {model} ended by itself, with {ending}"
    next: ClassVar[str] = "read what it wrote above, then start it again"
    model: str
    ending: str


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "serve",
        what="Answer requests with a version over HTTP, every answer with an id and in the prediction log. A service\n"
        "that follows an alias switches by itself when the alias moves. Beside a champion's service the wheel keeps\n"
        "turning: labels are scored, alarms raised, candidates trained and promoted. Ctrl-C stops it gracefully.\n"
        "Several models share an address; each is loaded when it is first asked for, or with the others at the start.",
        examples=[
            ("noria serve delay@champion", "follow the champion and keep it fresh"),
            ("noria serve delay:3 --port 8200", "one version, for good"),
            ("noria serve delay@champion --no-watch", "only answer; `noria watch` runs elsewhere"),
            ("noria serve", "every model that has a champion, under one address"),
            ("noria serve delay demand:3 --load start", "these two, loaded before it is ready"),
        ],
    )
    parser.add_argument(
        "refs",
        metavar="REF",
        nargs="*",
        help="delay@champion, delay:3 or delay; none: the champion of every model that has one",
    )
    parser.add_argument(
        "--load",
        choices=("asked", "start"),
        help="when several models are loaded (default: from noria.toml, else asked)",
    )
    parser.add_argument(
        "--host",
        help="an IP address of this machine (default: from noria.toml, else 127.0.0.1); all but loopback needs a token",
    )
    parser.add_argument(
        "--port", type=_port, help="0 for any that is free (default: from noria.toml, else 8117)"
    )
    parser.add_argument(
        "--no-watch", action="store_true", help="only answer: no scoring, no alarms, no training"
    )
    parser.add_argument("--tls-cert", metavar="FILE", help="speak TLS with this certificate, in PEM")
    parser.add_argument("--tls-key", metavar="FILE", help="its key")
    interval(parser)


def run(args: argparse.Namespace) -> int:
    tls = _tls(args)
    inside(args)
    with open_app(project(args)) as app, _terminable():
        try:
            with serving(app, *args.refs, host=args.host, port=args.port, load=args.load, tls=tls) as service:
                watched = [] if args.no_watch else [each for each in service.models if _is_watched(each)]
                say(*ready_lines(service, watched=[each.model for each in watched]))
                with ExitStack() as beside:
                    if watched:
                        names = [each.model for each in watched]
                        beside.enter_context(driving(app.project, names, note))
                        _turn_beside(app, service, watched, args.interval)
                    service.wait()
                _raise_ended(service, service.wait())
        except KeyboardInterrupt:
            note("stopped")
    return 0


def _is_watched(followed: Followed) -> bool:
    return followed.follows == CHAMPION


def ready_lines(service: Serving, *, watched: Sequence[str]) -> list[str]:
    """What a person needs to ask the first question."""
    names = ", ".join(paint(str(each), "bold") for each in service.models)
    first, *more = service.models
    turning = "the wheel keeps turning"
    if watched and len(watched) < len(service.models):
        turning += f" for {', '.join(watched)}"
    watch = turning if watched else "nothing is watched or trained here"
    ask = 'curl -H "authorization: Bearer $NORIA_TOKEN"' if service.tokens else "curl"
    return [
        f"{names} {'answer' if more else 'answers'} at {service.url} (process {service.pid}); {watch}",
        *([f"  over gRPC                       {service.grpc}"] if service.grpc else []),
        *([f"  which are loaded                {ask} {service.url}/v1/models"] if more else []),
        f"  what it takes, with an example  {ask} {service.url}/v1/models/{first.model}",
        f"  what it counts                  {ask} {service.url}/metrics",
        f"  how it stands                   noria status{'' if more else ' ' + first.model}",
    ]


def _turn_beside(app: App, service: Serving, watched: Sequence[Followed], every: float) -> None:
    """Turn the wheel until the service ends. A fault of the wheel stops the wheel, never the service."""
    told: set[str] = set()
    with ExitStack() as stack:
        watches = {each.model: stack.enter_context(Watch(app, each.model)) for each in watched}
        while service.process.poll() is None:
            try:
                for model, watch in watches.items():
                    look(app, model, watch, told)
            except Corrupt as error:
                print(render(error), file=sys.stderr, flush=True)
                break
            except Exception:  # whatever it is, requests are still to be answered
                traceback.print_exc()
                break
            try:
                service.process.wait(every)
            except subprocess.TimeoutExpired:
                continue
    if service.process.poll() is None:
        note("watching has stopped; the service goes on: `noria watch` begins again")


def _raise_ended(service: Serving, code: int) -> None:
    ending = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    raise ServiceEnded(model=", ".join(each.model for each in service.models), ending=ending)


@contextmanager
def _terminable() -> Iterator[None]:
    """Supervisors send SIGTERM: take it as Ctrl-C, so that the service ends gracefully."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tls(args: argparse.Namespace) -> TlsPolicy | None:
    if (args.tls_cert is None) != (args.tls_key is None):
        raise BadUsage(problem="--tls-cert and --tls-key belong together", command="noria serve")
    if args.tls_cert is None:
        return None
    # from where the command is given, as every file on a command line
    return TlsPolicy(certificate=str(Path(args.tls_cert).absolute()), key=str(Path(args.tls_key).absolute()))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: write 0 to 65535")
    return int(text)
