"""The keeper's own door, a Unix socket for its owner: which versions answer whom, and with how many workers.

Whoever drives a rollout asks here. Each verb says what is wanted and not what is to be done, so it may be said twice, and
answers with what came of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, TypeVar

import msgspec

from noria.records.base import Record
from noria.records.policy import MOST_WORKERS
from noria.serving.change import Wanted
from noria.serving.errors import BadShape, NoSuchModel
from noria.serving.fleet import Fleet
from noria.serving.log import Narrator
from noria.serving.messages import Request, Response, reply
from noria.serving.metrics import Metrics
from noria.serving.raw import Raw
from noria.serving.routes import Route, Routes
from noria.serving.tally import read_tally
from noria.serving.traffic import Outcome, Traffic
from noria.serving.worker_process import Worker

W = TypeVar("W", bound=Record)


class Scaled(Record, forbid_unknown_fields=True):
    """How many workers a version is to have."""

    workers: Annotated[int, msgspec.Meta(ge=1, le=MOST_WORKERS)]
    version: int | None = None
    """None: the champion."""


class Admin:
    """The paths of the admin socket."""

    def __init__(self, traffics: Sequence[Traffic], metrics: Metrics, narrate: Narrator) -> None:
        """`traffics`: of each model of the service."""
        self._traffics = {each.model: each for each in traffics}
        model = r"/(?P<model>[^/]+)"
        table = (
            ("GET", "/v1/routing", self.models),
            ("GET", "/v1/routing" + model, self.show),
            ("PUT", "/v1/routing" + model, self.put),
            ("GET", "/v1/workers" + model, self.workers),
            ("POST", "/v1/workers" + model, self.scale),
        )
        self.routes = Routes(
            tuple(Route("admin", method, re.compile(path), partial(act)) for method, path, act in table),
            metrics,
            narrate,
            about=", ".join(self._traffics),
        )

    async def models(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply([self._shown(each) for each in self._traffics.values()])

    async def show(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(self._shown(self._of(named)))

    async def put(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return _told(await self._of(named).put(_body(request, Wanted)))

    async def scale(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        wanted = _body(request, Scaled)
        return _told(await self._of(named).scale(wanted.workers, wanted.version))

    async def workers(self, raw: Raw, request: Request, named: dict[str, str | None]) -> Response:
        return reply(_workers(self._of(named)))

    def _shown(self, traffic: Traffic) -> dict[str, object]:
        return {
            "table": msgspec.to_builtins(traffic.table),
            "workers": _workers(traffic),
            "kept": traffic.kept.path is not None,
            "problems": {str(version): why for version, why in traffic.problems.items()},
            "restoring": traffic.restoring,
        }

    def _of(self, named: dict[str, str | None]) -> Traffic:
        model = named["model"] or ""
        if model not in self._traffics:
            raise NoSuchModel(asked=model[:200], models=tuple(self._traffics))
        return self._traffics[model]


def _told(outcome: Outcome) -> Response:
    return reply(
        {
            "table": msgspec.to_builtins(outcome.table),
            "changed": outcome.changed,
            "told": outcome.told,
            "of": outcome.workers,
        }
    )


def _workers(traffic: Traffic) -> list[dict[str, object]]:
    return [_worker(fleet, worker) for fleet in traffic.fleets() for worker in fleet.workers]


def _worker(fleet: Fleet, worker: Worker) -> dict[str, object]:
    counts = read_tally(worker.counts)
    gauges = {place.name: int(value) for place, value in counts.items()}
    return {
        "worker": worker.name,
        "pid": worker.process.pid,
        "version": worker.bundle.version.number,
        "state": worker.state,
        "in_flight": gauges.get("noria_in_flight", 0),
        "connections": gauges.get("noria_connections", 0),
    }


def _body(request: Request, kind: type[W]) -> W:
    """Raises `BadShape` with the place of what does not fit."""
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadShape(
            problem=str(error), fix="docs/serving.md shows the bodies of the admin socket"
        ) from error
