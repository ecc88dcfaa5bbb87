"""`noria service`"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from noria.app.service import (
    Changed,
    RoutingView,
    canary,
    clear,
    routing_of,
    scale,
    service_of,
    services_here,
    shadow,
)
from noria.app.wiring import App, open_app
from noria.cli.commands import BadUsage, Subparsers, dry_run, parser_of, project
from noria.cli.render import fields, note, say, say_json, table
from noria.records.policy import MOST_WORKERS
from noria.records.routing import Routing
from noria.records.service import Service

ACTIONS = {
    "list": "",
    "show": "MODEL",
    "canary": "VERSION SHARE",
    "shadow": "VERSION",
    "clear": "MODEL|VERSION",
    "scale": "MODEL|VERSION WORKERS",
}
"""What each is about."""


def add(subparsers: Subparsers) -> None:
    parser = parser_of(
        subparsers,
        "service",
        what="Who answers the requests of a running service, changed while it runs; no request is lost by it.\n"
        "`list` (or nothing): the services of this machine. `show`: the routing of one, and its workers. `canary`: let a\n"
        "version answer for a share of the units (5%, or 0% to load it for those who ask for it by name). `shadow`: let it\n"
        "answer copies of all requests, for nobody. `clear`: let the champion answer again. `scale`: change the number of\n"
        "workers, until the service ends. A challenger that fails, or is too slow, harms nobody: the champion answers.\n"
        "Each says what is wanted, so it may be said twice. Exit code 1: the version could not be loaded, and nothing\n"
        "has changed.\n"
        "With --json: `list` an array of services; `show` an object with `table`, `workers`, `problems`; the others one\n"
        "with `table`, `changed`, and how many workers of the champion (`of`) go by it (`told`).",
        examples=[
            ("noria service", "what runs"),
            ("noria service show delay", "its routing and its workers"),
            ("noria service canary delay:7 5%", "version 7 answers for 5 % of the units"),
            ("noria service canary delay:7 25%", "for these and some more"),
            ("noria service shadow delay:7", "copies alone"),
            ("noria service clear delay", "the champion answers everything"),
            ("noria service scale delay 4", "four processes for the champion"),
        ],
        reads=True,
    )
    parser.add_argument(
        "words",
        metavar="ACTION|MODEL|VERSION|...",
        nargs="*",
        help="list, show, canary, shadow, clear or scale, then what it is about",
    )
    parser.add_argument("--service", metavar="ID", help="which one, where several services of the model run")
    dry_run(parser)


def run(args: argparse.Namespace) -> int:
    action, *about = args.words or ["list"]
    if action not in ACTIONS:
        raise _misused(f"{action!r} is not one of {', '.join(ACTIONS)}")
    wanted = ACTIONS[action].split()
    if len(about) != len(wanted):
        raise _misused(
            f"{action} takes {' and '.join(wanted) or 'nothing'}, not {' '.join(about) or 'nothing'}"
        )
    if args.dry_run and action not in ("canary", "shadow", "clear"):
        raise _misused(f"--dry-run is for canary, shadow and clear, not for {action}")
    with open_app(project(args)) as app:
        if action == "list":
            return _list(app, args)
        model, version = _named(about[0])
        if version is None and action in ("canary", "shadow"):
            raise _misused(f"{action} takes a version, such as {model}:7")
        return _act(action, about[1:], service_of(app, model, args.service), version, args)


def _act(
    action: str, rest: list[str], service: Service, version: int | None, args: argparse.Namespace
) -> int:
    if action == "show":
        return _show(service, args)
    if action == "scale":
        workers = _workers(rest[0])
        return _told(scale(service, workers, version), args, f"{workers} workers answer")
    dry = bool(args.dry_run)
    if action == "canary":
        changed = canary(service, version or 0, _share(rest[0]), dry_run=dry)
    elif action == "shadow":
        changed = shadow(service, version or 0, dry_run=dry)
    else:
        changed = clear(service, version, dry_run=dry)
    return _told(changed, args, "would hold" if dry else "holds now")


def _list(app: App, args: argparse.Namespace) -> int:
    found = services_here(app)
    if args.json:
        say_json(found)
    elif found:
        rows = [
            (one.id, f"{one.model}@{one.follows}", one.version or "not loaded", one.url, one.pid)
            for one in found
        ]
        say(*table(("service", "follows", "version", "address", "pid"), rows))
        note(*(f"{one.id}: {one.problem}" for one in found if one.problem))
    else:
        note("no service runs on this machine: noria serve MODEL")
    return 0


def _show(service: Service, args: argparse.Namespace) -> int:
    view = routing_of(service)
    if args.json:
        say_json(view)
        return 0
    say(f"{service.model} at {service.url}, generation {view.table.generation}", *_lines(view.table))
    say(*fields((f"{service.model}:{version} is out", why) for version, why in view.problems.items()))
    if view.restoring:
        say(f"the table of before holds once {_versions(service.model, view.restoring)} can answer")
    say("", *_worker_table(view))
    if not view.kept:
        note("this table ends with the service: another one without a port of its own keeps its table")
    return 0


def _versions(model: str, versions: Sequence[int]) -> str:
    return " and ".join(f"{model}:{version}" for version in versions)


def _told(changed: Changed, args: argparse.Namespace, what: str) -> int:
    if args.json:
        say_json(changed)
        return 0
    behind = f"; {changed.told} of {changed.of} workers go by it" if changed.told < changed.of else ""
    state = what if changed.changed else "as it was"
    say(
        f"{changed.table.model}, generation {changed.table.generation}: {state}{behind}",
        *_lines(changed.table),
    )
    return 0


def _lines(routing: Routing) -> list[str]:
    left = max(0.0, 1.0 - sum(one.share for one in routing.challengers))
    return fields(
        [
            ("champion", f"{routing.model}:{routing.champion}  {_percent(left)}"),
            *(
                ("challenger", f"{routing.model}:{one.version}  {_percent(one.share)}")
                for one in routing.challengers
            ),
            *(("shadow", f"{routing.model}:{one}") for one in routing.shadows),
        ]
    )


def _worker_table(view: RoutingView) -> list[str]:
    rows = [
        (one.worker, one.pid, one.version, one.state, one.in_flight, one.connections) for one in view.workers
    ]
    return table(("worker", "pid", "version", "state", "in flight", "connections"), rows)


def _named(text: str) -> tuple[str, int | None]:
    """A model, or a version of it by its number: a running service knows what its aliases name, nobody else does."""
    model, mark, number = text.partition(":")
    if not model or "@" in model or (mark and not (number.isdecimal() and int(number))):
        raise _misused(f"{text!r} is neither a model nor a version such as delay:7")
    return model, int(number) if mark else None


def _share(text: str) -> float:
    number = text.removesuffix("%")
    if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", number):
        raise _misused(f"{text!r} is no share: write 5%, or 0.05")
    share = float(number) / (100 if text.endswith("%") else 1)
    if share > 1.0:
        raise _misused(f"{text!r} is more than everything: write 100% at most, such as 5% or 0.05")
    return share


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_WORKERS:
        raise _misused(f"{text!r} is no number of workers: write 1 to {MOST_WORKERS}")
    return int(text)


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"


def _misused(problem: str) -> BadUsage:
    return BadUsage(problem=problem, command="noria service")
