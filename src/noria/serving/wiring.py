"""What a service's keeper is made of, out of its options: the one place in it that knows back ends."""

from __future__ import annotations

import argparse
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from noria.ports.clock import RealClock
from noria.ports.surroundings import surroundings
from noria.records.base import parse
from noria.records.policy import LogPolicy, TlsPolicy
from noria.records.sources import Environment
from noria.records.versions import Version
from noria.serving.access import Access
from noria.serving.address import is_loopback, require_guarded
from noria.serving.admin import Admin
from noria.serving.bundle import Bundle
from noria.serving.environments import Environments
from noria.serving.fleet import Fleet
from noria.serving.follow import Follower, Identity
from noria.serving.keeper import Hub, Keeper
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
        self._metrics = Metrics(Tally())
        self._access: Access | None = None
        self._tls = _tls(options)
        self._certificates = Certificates(self._tls) if self._tls else None
        store, _ = open_objects(os.environ.get("NORIA_OBJECTS"), self._state)
        self._artifacts = Artifacts(store)
        here = parse(options.environment, Environment) if options.environment else None
        self._environments = Environments(here, Path(options.project or options.state), narrate)

    def service(self, bound: socket.socket, identity: Identity) -> tuple[Keeper, Follower]:
        """All of it, behind a listening socket."""
        fleet = Fleet(bound, self._folder, self._narrate)
        self._access = self._admitting(fleet)
        traffic = self._traffic(fleet)
        follower = self._follower(identity, fleet, traffic)
        options, metrics, narrate = self._options, self._metrics, self._narrate
        repository = Repository(
            options.model, options.follow, self._records.versions, follower, traffic.loaded
        )
        hub = Hub(self._labels(follower), fleet, traffic, metrics, narrate, repository)
        admin = Admin(traffic, metrics, narrate)
        keeper = Keeper(
            bound,
            hub,
            follower,
            admin,
            hub_path=self._hub,
            max_body=options.max_body,
            tending=self._tending(),
            access=self._access,
        )
        return keeper, follower

    def warn(self) -> None:
        """Say what of the service's doors its owner should know."""
        if self._certificates is not None:
            why = self._certificates.warning(RealClock().now())
            if why:
                self._narrate("tls.warning", why=why)
        elif not is_loopback(self._options.host):
            self._narrate("tls.warning", why="tokens and rows travel in the clear: no certificate is set")

    def plan(self, version: Version) -> Plan:
        """How a version's workers are to be run. Reads files, and may build an environment: not for the event loop."""
        options = self._options
        return Plan(
            self._bundle(version),
            python=self._environments.python_of(version),
            variables=surroundings(os.environ),
            workers=options.workers,
            threads=options.threads,
            spare=not options.no_spare,
        )

    def _bundle(self, version: Version) -> Bundle:
        options, traces = self._options, wanted(self._options.traces)
        check_roles(version.signature, self._log, version=version.name)
        return Bundle(
            version=version,
            follows=options.follow,
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
            log=self._log,
            body_seconds=options.body_seconds,
            traces=traces,
            grpc=options.grpc,
            access=str(self._access.path) if self._access else "",
            tls=self._tls,
        )

    @property
    def asks(self) -> bool:
        """Whether callers need a token, as things stand."""
        return self._access is not None and self._access.required

    def _admitting(self, fleet: Fleet) -> Access | None:
        """The tokens that hold, read once. Raises `NotLoopback` where there is none, and strangers could come."""
        options, clock = self._options, RealClock()
        if self._tls is not None:
            fleet.guard()
        loopback = is_loopback(options.host)
        if options.auth == "off":
            require_guarded(options.host, auth="off", tokens=False)
            return None
        access = Access(
            self._records.ledger,
            self._folder / "access.json",
            fleet.tell,
            fleet.guard,
            clock,
            self._narrate,
            required=not loopback,
        )
        access.load()
        require_guarded(options.host, auth="tokens", tokens=bool(access.tokens.usable(clock.now())))
        return access

    def _traffic(self, fleet: Fleet) -> Traffic:
        options = self._options
        return Traffic(
            options.model,
            fleet,
            lambda name: Fleet(None, self._folder, self._narrate, name=name),
            self.plan,
            self._records.versions,
            self._state / "routing" / f"{options.model}@{options.follow}.json",
            self._metrics,
            self._narrate,
        )

    def _follower(self, identity: Identity, fleet: Fleet, traffic: Traffic) -> Follower:
        return Follower(
            identity,
            self._options.model,
            self._options.follow,
            fleet,
            self.plan,
            versions=self._records.versions,
            services=self._records.services,
            metrics=self._metrics,
            clock=RealClock(),
            narrate=self._narrate,
            crowned=traffic.crowned,
            named=traffic.named,
        )

    def _labels(self, follower: Follower) -> Labels:
        from noria.adapters.log_reader import LogReader
        from noria.adapters.log_secret import hashing_of

        def serving() -> Version:
            if follower.serving is None:
                raise RuntimeError("labels came before any version answered")
            return follower.serving

        return Labels(
            serving,
            model=self._options.model,
            records=self._records.feedback,
            predictions=LogReader(self._state / "log"),
            metrics=self._metrics,
            clock=RealClock(),
            max_items=self._options.max_rows,
            hashing=hashing_of(self._state, self._log),
        )

    def _tending(self) -> Tending:
        from noria.adapters.log_rotation import Rotation

        options = self._options
        given = {"--keep": self._log.keep, "--maturity": options.maturity, "--block": options.block}
        words = [word for name, value in given.items() if value is not None for word in (name, repr(value))]
        due = Rotation(self._state / "log", options.model).due
        return Tending(
            options.model, ["--state", str(self._state), *words], due, self._metrics, self._narrate
        )


def _tls(options: argparse.Namespace) -> TlsPolicy | None:
    if not options.tls_cert:
        return None
    absolute = [
        str(Path(each).absolute()) if each else None
        for each in (options.tls_cert, options.tls_key, options.tls_client_ca)
    ]
    return TlsPolicy(certificate=absolute[0] or "", key=absolute[1] or "", client_ca=absolute[2])
