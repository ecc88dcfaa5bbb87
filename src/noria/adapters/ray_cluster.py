"""This process's connection to a Ray cluster, which Ray has once a process: shared by all engines, ended by the last."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import os
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from noria.adapters.local_capacity import asked
from noria.adapters.ray_errors import NoCluster, NoRay, OtherCluster, RayNotStarted
from noria.adapters.ray_head import Head, Silent
from noria.adapters.ray_release import check_release, differs
from noria.errors import NoriaError
from noria.records.needs import Needs

LOCAL = "local"  # Ray's word for one that is started here and ends with this process
BREAKPOINT = "PYTHONBREAKPOINT"
KNOCK = 10.0  # s for a connection to the head's port: two retransmissions of a lost packet, on any network
JOIN = 60.0  # s until Ray must have let us in; by itself it tries for more than three minutes
START = 180.0  # s until a Ray must have been started here: half a minute on a busy machine
PARTING = 5.0  # s for a connection whose head is lost to end: with one, Ray takes a second
SLICE = 2.0  # s of waiting between two looks at the head
FRESH = 2.0  # s for which a list of the nodes is believed: a question to the head takes a few milliseconds
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is called from a user's machine without being asked
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # else `uv run noria` has every worker's environment made anew
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what Ray will do by itself soon, and warns about until then
}


@dataclass(frozen=True)
class Node:
    """A node, and what it has in all."""

    id: str
    name: str
    alive: bool
    cpus: float
    gpus: float
    memory: float

    def fits(self, needs: Needs) -> bool:
        return self.cpus >= needs.cpus and self.gpus >= needs.gpus and self.memory >= (needs.memory or 0)

    def words(self) -> str:
        return f"{self.name} has {asked(Needs(cpus=int(self.cpus), gpus=int(self.gpus), memory=int(self.memory)))}"


class Cluster:
    """A joined cluster. One thread at a time may join or leave."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.users = 0
        self.here = ""
        """The node that this process is on."""
        self.head: Head | None = None
        self.asking = threading.Lock()
        """Held by the engine that asks the nodes whether they are fit; others of this process wait for its answer."""
        self.fit: list[Any] = []
        """What they were found to be fit for."""
        self._leave = threading.Event()
        self._left = threading.Event()
        self._joined = threading.Event()
        self._failure: Exception | None = None
        self._nodes: tuple[float, tuple[Node, ...]] = float("-inf"), ()

    @property
    def own(self) -> bool:
        """Whether it was started by this process, and on this machine alone."""
        return self.address == LOCAL

    @property
    def lost(self) -> bool:
        """Whether its head was found to be gone."""
        return self.head is not None and self.head.lost is not None

    def join(self, limits: Mapping[str, int]) -> None:
        """In a thread that lives as long as the connection: the kernel ends a Ray that was started here together with
        the *thread* that started it, and a call that Ray never comes back from can be left behind."""
        threading.Thread(target=self._live, args=(dict(limits),), name="noria-ray", daemon=True).start()
        if not self._joined.wait(START if self.own else JOIN):
            why = f"after {START if self.own else JOIN:g} s"
            raise RayNotStarted(why) if self.own else NoCluster(self.address, f"nothing came of it {why}")
        if self._failure is not None:
            raise self._failure

    def leave(self) -> None:
        """Where the head is lost, Ray may never come back from its own end, and is not waited for at exit either."""
        self._leave.set()
        if not self._left.wait(PARTING if self.lost else START):
            import ray

            atexit.unregister(ray.shutdown)

    def check(self, *, now: bool = False) -> None:
        """Whether its head is there: raises `HeadLost`. Ray's own answer to that is the end of this process."""
        if self.head is not None:
            self.head.check(now=now)

    def wait(self, refs: list[Any], *, count: int = 1, until: float = float("inf")) -> list[Any]:
        """Those of them that are ready, once so many are, at `until` (by the monotonic clock) fewer.
        Raises `HeadLost`."""
        import ray

        while True:
            self.check()
            seconds = max(0.0, min(until - time.monotonic(), SLICE))
            ready, _ = ray.wait(refs, num_returns=count, timeout=seconds, fetch_local=False)
            if len(ready) >= count or time.monotonic() >= until:
                return list(ready)

    def left(self, seconds: float) -> bool:
        """Whether the connection has ended, waited for so long."""
        return self._left.wait(seconds)

    def nodes(self, *, fresh: bool = False) -> tuple[Node, ...]:
        """Those that are there, and those that were; `fresh`: as the head knows them now. Raises `HeadLost`."""
        import ray

        at, nodes = self._nodes
        if fresh or time.monotonic() - at > FRESH:
            self.check(now=True)
            nodes = named(ray.nodes())  # type: ignore[no-untyped-call]
            self._nodes = time.monotonic(), nodes
        return nodes

    def _live(self, limits: dict[str, int]) -> None:
        try:
            self.here = _init(self.address, limits)
            self.head = _head_of(self.address)
        except NoriaError as error:
            self._failure = error
        except Exception as error:  # Ray raises plain ones; whoever waits for the answer must get it
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            refused = differs(self.address, error) or NoCluster(self.address, why)
            self._failure = RayNotStarted(why) if self.own else refused
        self._joined.set()
        if self._failure is None:
            self._leave.wait()
            import ray

            ray.shutdown()
        self._left.set()


class _Process:
    """What this process is connected to."""

    lock = threading.Lock()
    cluster: Cluster | None = None
    parting: Cluster | None = None
    """One whose head was lost, which Ray may not have let go of yet."""


_process = _Process()


def join(address: str | None, limits: Mapping[str, int] | None = None) -> Cluster:
    """The cluster at an address; without one at RAY_ADDRESS, else one that is started here with these limits (`num_cpus`
    and the like). Raises `NoRay`, `OtherRelease`, `ClusterDiffers`, `NoCluster`, `RayNotStarted`, `OtherCluster`. Each
    call wants a `leave`."""
    if importlib.util.find_spec("ray") is None:
        raise NoRay
    check_release()
    wanted = address or os.environ.get("RAY_ADDRESS") or LOCAL
    with _process.lock:
        cluster = _process.cluster
        if cluster is None:
            _await_parting(wanted)
            cluster = Cluster(wanted)
            cluster.join(limits or {})
            _process.cluster = cluster
        elif cluster.address != wanted:
            raise OtherCluster(here=cluster.address, asked=wanted)
        cluster.users += 1
        return cluster


def leave(cluster: Cluster) -> None:
    """The last one to leave ends the connection, and the Ray that was started for it."""
    with _process.lock:
        cluster.users -= 1
        if not cluster.users:
            _process.cluster = None
            cluster.leave()
            _process.parting = cluster if cluster.lost else None


def _await_parting(wanted: str) -> None:
    """Until Ray is free to join another cluster in this process, as the loop that triggers runs does."""
    if _process.parting is not None and not _process.parting.left(JOIN):
        raise NoCluster(wanted, f"Ray has not let go of {_process.parting.address} after {JOIN:g} s")
    _process.parting = None


def named(found: Sequence[Mapping[str, Any]]) -> tuple[Node, ...]:
    """Nodes as Ray lists them, each by its host's name where that is its own, else by its address."""
    hosts = Counter(one["NodeManagerHostname"] for one in found if one["Alive"])
    return tuple(
        Node(
            id=one["NodeID"],
            name=one["NodeManagerHostname"]
            if hosts[one["NodeManagerHostname"]] == 1
            else one["NodeManagerAddress"],
            alive=one["Alive"],
            cpus=one["Resources"].get("CPU", 0.0),
            gpus=one["Resources"].get("GPU", 0.0),
            memory=one["Resources"].get("memory", 0.0),
        )
        for one in found
    )


def _init(address: str, limits: dict[str, int]) -> str:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    more: dict[str, Any] = {"include_dashboard": False, **limits}
    if address not in (LOCAL, "auto"):
        host, _, port = address.rpartition(":")
        _knock(address, host, int(port))
        more = {"_node_ip_address": host} if _is_ours(host) else {}
    import ray

    _tell_on_stderr()
    with _breakpoints_kept():
        _begin(address, more)
    return str(ray.get_runtime_context().get_node_id())


def _head_of(address: str) -> Head:
    import ray

    try:
        return Head(str(ray.get_runtime_context().gcs_address))
    except Silent as error:
        ray.shutdown()
        raise NoCluster(address, str(error)) from error


def _begin(address: str, more: dict[str, Any]) -> None:
    import ray

    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **more)
    except (
        Exception
    ):  # Ray gives its own processes a fixed time to start, which a busy machine may need, and no class
        if address != LOCAL:
            raise
        ray.shutdown()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **more)


@contextmanager
def _breakpoints_kept() -> Iterator[None]:
    """Ray makes `breakpoint()` its own debugger's, in this process and in all that it starts."""
    variable = os.environ.get(BREAKPOINT)
    try:
        yield
    finally:
        if variable is None:
            os.environ.pop(BREAKPOINT, None)
        else:
            os.environ[BREAKPOINT] = variable


def _knock(address: str, host: str, port: int) -> None:
    """Raises `NoCluster` where nobody listens: Ray itself would try for minutes."""
    try:
        socket.create_connection((host, port), timeout=KNOCK).close()
    except OSError as error:
        raise NoCluster(address, error.strerror or str(error)) from error


def _is_ours(host: str) -> bool:
    """Whether an address is one of this machine's own, which Ray then takes for its node's."""
    try:
        with socket.socket() as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return host[0].isdigit()


def _tell_on_stderr() -> None:
    """Ray prints what it has to say about nodes to standard output, where a command's result stands."""
    import ray._private.worker as ours

    told: Callable[..., None] = _tell
    ours.print_to_stdstream = told


def _tell(data: Mapping[str, Any], ignore_prefix: bool = False) -> None:
    first = "".join(data["lines"]).strip().partition("\n")[0]
    print(f"ray: {first[:300]}", file=sys.stderr, flush=True)
