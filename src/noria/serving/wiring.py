"""What a service's keeper is made of, out of its options: the one place in it that knows back ends."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noria.ports.clock import RealClock
from noria.ports.surroundings import surroundings
from noria.records.base import Record, parse
from noria.records.policy import LogPolicy, TlsPolicy
from noria.records.sources import Environment
from noria.records.versions import Version
from noria.serving.access import Access
from noria.serving.address import is_loopback, require_guarded
from noria.serving.admin import Admin
from noria.serving.bundle import Bundle, Entrance
from noria.serving.environments import Environments
from noria.serving.fleet import Fleet
from noria.serving.follow import Follower, Identity, find
from noria.serving.hosted import Hosted
from noria.serving.house import House
from noria.serving.keeper import Hub, Keeper, admin_path
from noria.serving.kept import Kept, claimed
from noria.serving.labels import Labels
from noria.serving.log import Narrator
from noria.serving.metrics import Metrics
from noria.serving.repository import Repository
from noria.serving.rows import log_schema
from noria.serving.sample import sample_of
from noria.serving.tally import Tally
from noria.serving.tending import Tending
from noria.serving.tls import Certificates
from noria.serving.traces import wanted
from noria.serving.traffic import Traffic
from noria.serving.veil import check_roles
from noria.serving.worker_process import Plan

if TYPE_CHECKING:
    from noria.adapters.sql import Records


class Asked(Record):
    """A model that a service is to answer with."""

    model: str
    follow: str = "champion"
    """An alias, or a version's number."""
    maturity: float | None = None
    """Seconds after a block before its labels are owed."""
    block: float | None = None
    """Seconds of a block of event time."""


def asked_of(options: argparse.Namespace) -> tuple[Asked, ...]:
    """Every model that is to be served: those of `--models`, else the one of `--model`."""
    if options.models:
        return msgspec.json.decode(options.models, type=tuple[Asked, ...])
    return (
        Asked(model=options.model, follow=options.follow, maturity=options.maturity, block=options.block),
    )


class Wiring:
    """The parts of one service, each made once. `options`: see `noria.serving.__main__`."""

    def __init__(
        self, options: argparse.Namespace, records: Records, folder: Path, narrate: Narrator
    ) -> None:
        """`folder`: the keeper's own, for sockets and counts."""
        from noria.adapters.objects import open_objects
        from noria.artifacts import Artifacts

        self._options = options
        self._records = records
        self._folder = folder
        self._narrate = narrate
        self._state = Path(options.state).resolve()
        self._hub = folder / "hub"
        self._log = parse(options.log, LogPolicy) if options.log else LogPolicy()
        self._asked = asked_of(options)
        self._access: Access | None = None
        self._admitted = folder / "access.json"
        self._tls = _tls(options)
        self._certificates = Certificates(self._tls) if self._tls else None
        store, _ = open_objects(os.environ.get("NORIA_OBJECTS"), self._state)
        self._artifacts = Artifacts(store)
        here = parse(options.environment, Environment) if options.environment else None
        self._environments = Environments(here, Path(options.project or options.state), narrate)

    def service(self, bound: socket.socket, url: str) -> tuple[Keeper, list[Follower]]:
        """All of it, behind a listening socket."""
        options, models = self._options, self._asked
        several = len(models) > 1
        metrics = Metrics(Tally())
        house = House(
            metrics, self._narrate, idle=options.idle, at_start=options.load == "start" or not several
        )
        shares = house if several else None
        homes = [self._hosted(each, None if several else bound, url, shares, metrics) for each in models]
        if several:
            door = Fleet(bound, self._folder, self._narrate, name="door", shares=house)
            house.move_in(*homes, door=door, entrance=self._entrance())
        else:
            house.move_in(*homes)
        self._access = self._admitting(house)
        keeper = Keeper(
            bound,
            Hub(house, metrics, self._narrate),
            Admin([each.traffic for each in homes], metrics, self._narrate),
            hub_path=self._hub,
            max_body=options.max_body,
            access=self._access,
        )
        return keeper, [each.follower for each in homes]

    def warn(self) -> None:
        """Say what of the service's doors its owner should know."""
        if self._certificates is not None:
            why = self._certificates.warning(RealClock().now())
            if why:
                self._narrate("tls.warning", why=why)
        elif not is_loopback(self._options.host):
            self._narrate("tls.warning", why="tokens and rows travel in the clear: no certificate is set")

    def _hosted(
        self,
        asked: Asked,
        bound: socket.socket | None,
        url: str,
        house: House | None,
        metrics: Metrics,
    ) -> Hosted:
        """One model. Where it shares the service, it has counts of its own, and file names begin with its name."""
        own = metrics if house is None else Metrics(Tally())
        name = "" if house is None else f"{asked.model}-"
        planned = partial(self.plan, asked.follow)
        fleet = Fleet(bound, self._folder, self._narrate, name=f"{name}worker", shares=house)
        traffic = Traffic(
            asked.model,
            fleet,
            lambda beside: Fleet(None, self._folder, self._narrate, name=name + beside),
            planned,
            self._records.versions,
            self._kept(asked),
            own,
            self._narrate,
        )
        follower = self._follower(asked, url, fleet, traffic, planned, own)
        return Hosted(
            asked.model,
            asked.follow,
            fleet,
            traffic,
            follower,
            self._labels(asked, follower, own),
            Repository(asked.model, asked.follow, self._records.versions, follower, traffic.loaded),
            self._tending(asked, own),
            own,
            self._narrate,
        )

    def _entrance(self) -> Plan:
        """How the door is to be run: in this very interpreter, for it has no version's environment."""
        options = self._options
        entrance = Entrance(
            hub=str(self._hub),
            max_body=options.max_body,
            deadline=options.deadline,
            body_seconds=options.body_seconds,
            grpc=options.grpc,
            models=self._names,
            access=self._tokens_file,
            tls=self._tls,
        )
        return Plan(
            entrance, sys.executable, surroundings(os.environ), module="noria.serving.door", spare=False
        )

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(each.model for each in self._asked)

    @property
    def _tokens_file(self) -> str:
        """Where whoever lets callers in reads what tokens hold; empty for letting in everybody."""
        return "" if self._options.auth == "off" else str(self._admitted)

    def plan(self, follow: str, version: Version) -> Plan:
        """How a version's workers are to be run. Reads files, and may build an environment: not for the event loop."""
        options = self._options
        return Plan(
            self._bundle(version, follow),
            python=self._environments.python_of(version),
            variables=surroundings(os.environ),
            workers=options.workers,
            threads=options.threads,
            spare=not options.no_spare,
        )

    def _bundle(self, version: Version, follow: str) -> Bundle:
        options, traces, several = self._options, wanted(self._options.traces), len(self._asked) > 1
        check_roles(version.signature, self._log, version=version.name)
        return Bundle(
            version=version,
            follows=follow,
            state=str(self._state),
            log_schema=log_schema(version.signature, self._log.hash, traced=bool(traces)),
            sample=sample_of(version, self._artifacts, self._narrate),
            objects=os.environ.get("NORIA_OBJECTS"),
            hub=str(self._hub),
            max_body=options.max_body,
            max_rows=options.max_rows,
            deadline=options.deadline,
            patience=options.patience,
            durability=options.durability,
            by_column=True,
            log=self._log,
            body_seconds=options.body_seconds,
            traces=traces,
            grpc=options.grpc,
            access=self._tokens_file,
            tls=None if several else self._tls,  # the door's, which hands none of those connections over
            shares=self._names if several else (),
        )

    @property
    def asks(self) -> bool:
        """Whether callers need a token, as things stand."""
        return self._access is not None and self._access.required

    def _admitting(self, house: House) -> Access | None:
        """The tokens that hold, read once. Raises `NotLoopback` where there is none, and strangers could come."""
        options, clock = self._options, RealClock()
        if self._tls is not None:
            house.guard()
        loopback = is_loopback(options.host)
        if options.auth == "off":
            require_guarded(options.host, auth="off", tokens=False)
            return None
        access = Access(
            self._records.ledger,
            self._admitted,
            house.tell,
            house.guard,
            clock,
            self._narrate,
            required=not loopback,
        )
        access.load()
        require_guarded(options.host, auth="tokens", tokens=bool(access.tokens.usable(clock.now())))
        return access

    def _kept(self, asked: Asked) -> Kept:
        name = f"{asked.model}@{asked.follow}"
        kept = claimed(self._state / "routing", name, self._options.port)
        if kept.path is None:
            self._narrate("routing.unkept", model=asked.model, why=f"another service of {name} keeps its own")
        return kept

    def _follower(
        self,
        asked: Asked,
        url: str,
        fleet: Fleet,
        traffic: Traffic,
        planned: Callable[[Version], Plan],
        metrics: Metrics,
    ) -> Follower:
        id = f"{asked.model}-{os.getpid()}-{secrets.token_hex(3)}"
        return Follower(
            Identity(id=id, url=url, pid=os.getpid(), admin=str(admin_path(self._hub))),
            asked.model,
            asked.follow,
            fleet,
            planned,
            versions=self._records.versions,
            services=self._records.services,
            metrics=metrics,
            clock=RealClock(),
            narrate=self._narrate,
            crowned=traffic.crowned,
            named=traffic.named,
        )

    def _labels(self, asked: Asked, follower: Follower, metrics: Metrics) -> Labels:
        from noria.adapters.log_reader import LogReader
        from noria.adapters.log_secret import hashing_of

        def serving() -> Version:
            return follower.serving or find(self._records.versions, asked.model, asked.follow)

        return Labels(
            serving,
            model=asked.model,
            records=self._records.feedback,
            predictions=LogReader(self._state / "log"),
            metrics=metrics,
            clock=RealClock(),
            max_items=self._options.max_rows,
            hashing=hashing_of(self._state, self._log),
        )

    def _tending(self, asked: Asked, metrics: Metrics) -> Tending:
        from noria.adapters.log_rotation import Rotation

        given = {"--keep": self._log.keep, "--maturity": asked.maturity, "--block": asked.block}
        words = [word for name, value in given.items() if value is not None for word in (name, repr(value))]
        due = Rotation(self._state / "log", asked.model).due
        return Tending(asked.model, ["--state", str(self._state), *words], due, metrics, self._narrate)


def _tls(options: argparse.Namespace) -> TlsPolicy | None:
    if not options.tls_cert:
        return None
    absolute = [
        str(Path(each).absolute()) if each else None
        for each in (options.tls_cert, options.tls_key, options.tls_client_ca)
    ]
    return TlsPolicy(certificate=absolute[0] or "", key=absolute[1] or "", client_ca=absolute[2])
