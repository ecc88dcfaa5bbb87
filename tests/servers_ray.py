"""A real Ray cluster for tests, two nodes on loopback: one for the whole test run.

Each node has a temporary folder of its own, so that nothing but the object store is common to them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shared import shared

PATIENCE = 240.0  # s until a node must be there; a busy machine takes its time
LOWEST, TOP = (
    20_000,
    32_000,
)  # ports outside of what Ray gives its workers, and of what the kernel gives by itself
SETTINGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    # a node that is gone is noticed within two seconds, and not within forty
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "6",
    "RAY_worker_niceness": "0",  # tasks are what is tested, and Ray puts them behind all else by itself
    "RAY_gcs_server_request_timeout_seconds": "15",  # else a node that has not come up is waited for four times as long
}
STARTED = "the node has started"
MEMORY = 2 << 30  # bytes that a node says it has a core, so that it is known which has more
STORE = 80_000_000  # bytes of Ray's own object store, which holds messages here


@dataclass(frozen=True)
class RayServer:
    """A running cluster: a head of 1 core, a node of 2."""

    address: str
    folder: str

    def variables(self) -> dict[str, str]:
        """The environment in which a driver joins it."""
        return {"RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "disabled"}

    def kill(self, number: int) -> None:
        """A node, with all of its processes at once, as if the machine had lost its power."""
        end(int(Path(self.folder, f"{self._ip(number)}.pid").read_text()))

    @contextmanager
    def node(self, number: int, cpus: int) -> Iterator[RayNode]:
        """One node more, until the block ends."""
        node = RayNode(Path(self.folder), self._ip(number), cpus, self.address)
        try:
            node.wait()
            yield node
        finally:
            node.kill()

    def _ip(self, number: int) -> str:
        return f"{self.address.rpartition('.')[0]}.{number}"


class RayNode:
    """One node, in a session of its own. Of Ray's own processes only those that a node needs to run tasks."""

    def __init__(self, folder: Path, ip: str, cpus: int, head: str | None, port: int = 0) -> None:
        """`port`: the one at which a head has to be, where it is to be at an address that others know."""
        self.ip, self._port = ip, port
        self.log = folder / f"{ip}.log"
        self._tmp = folder / ip
        self._tmp.mkdir()
        self._head = head
        self.address = head or ""
        self._asked: dict[str, object] = {
            "node_ip_address": ip,
            "num_cpus": cpus,
            "memory": cpus * MEMORY,
            "object_store_memory": STORE,
        }
        self._asked |= {"include_log_monitor": False, "no_monitor": True}
        self._asked |= (
            {"gcs_address": head} if head else {"temp_dir": str(folder / "ray"), "include_dashboard": False}
        )
        self._process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        gcs, agent = free_ports(self.ip, 2)
        ports = {"runtime_env_agent_port": agent}  # Ray waits 15 s for one that the agent chooses itself
        if self._head is None:
            ports["gcs_server_port"] = self._port or gcs
            self.address = f"{self.ip}:{ports['gcs_server_port']}"
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [python(), __file__, json.dumps(self._asked | ports)],
                env={**os.environ, **SETTINGS, "TMPDIR": str(self._tmp)},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it runs tasks. Ray gives up after half a minute, which a busy machine may need: then once more."""
        deadline = time.monotonic() + PATIENCE
        while STARTED not in self.log.read_text():
            if time.monotonic() > deadline:
                raise RuntimeError(f"a Ray node did not start:\n{self.log.read_text()[-2000:]}")
            if self._process.poll() is not None:
                self.kill()
                self._process = self._begin()
            time.sleep(0.05)
        self.log.with_suffix(".pid").write_text(str(self._process.pid))

    def kill(self) -> None:
        end(self._process.pid)
        self._process.wait()


def run_node(asked: dict[str, Any]) -> None:
    """What a node's first process does: start the others, and stay."""
    from ray._private import services, utils
    from ray._private.node import Node
    from ray._private.parameter import RayParams
    from ray._raylet import (
        DASHBOARD_AGENT_LISTEN_PORT_NAME,
        METRICS_AGENT_PORT_NAME,
        METRICS_EXPORT_PORT_NAME,
        persist_port,
    )

    with suppress(PermissionError):  # not everybody may; it spares a busy machine a second start
        os.nice(-5)
    # as where Ray is installed without its dashboard: the agent then starts in a third of the time
    utils.get_dashboard_dependency_error = lambda: ImportError("not for tests")
    start = services.start_raylet

    def start_without_agent(*words: Any, **more: Any) -> Any:
        """Ray ends a node whose agent has not said within 15 s that it serves nothing: it is said at once."""
        node, session = words[2], words[11]
        for name in (METRICS_AGENT_PORT_NAME, METRICS_EXPORT_PORT_NAME, DASHBOARD_AGENT_LISTEN_PORT_NAME):
            persist_port(session, node, name, -1)
        return start(*words, **more)

    services.start_raylet = start_without_agent
    Node(RayParams(**asked), head="gcs_address" not in asked, shutdown_at_exit=False, spawn_reaper=False)
    print(STARTED, flush=True)
    signal.pause()


def end(session: int) -> None:
    """All processes of a session, at once."""
    for pid in members(session):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def members(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getsid(int(entry.name)) == session:
                found.append(int(entry.name))
        except ProcessLookupError:
            continue
    return found


def python() -> str:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray: make setup, or pip install 'ray[default]'")
    return sys.executable


def free_ports(ip: str, count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = random.randint(LOWEST, TOP)
        with socket.socket() as probe:
            try:
                probe.bind((ip, port))
            except OSError:
                continue
        found += [port] if port not in found else []
    return found


@contextmanager
def own_cluster(nodes: int = 1, *, at: str = "") -> Iterator[RayServer]:
    """A head of 1 core, and nodes of 2 beside it; `at` an address that another cluster had."""
    folder = Path(tempfile.mkdtemp(prefix="noria-ray-", dir="/tmp"))  # its sockets' names must be short
    network = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}"  # two test runs do not meet
    port = 0
    if at:
        ip, _, asked = at.rpartition(":")
        network, port = ip.rpartition(".")[0], int(asked)
    started: list[RayNode] = []
    try:
        for number in range(1 + nodes):
            head = started[0].address if started else None
            started.append(RayNode(folder, f"{network}.{2 + number}", 2 if head else 1, head, port))
            started[-1].wait()
        yield RayServer(started[0].address, str(folder))
    finally:
        for node in reversed(started):
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def begun() -> Iterator[dict[str, str]]:
    with own_cluster() as cluster:
        yield {"address": cluster.address, "folder": cluster.folder}


@pytest.fixture(scope="session")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> RayServer:
    """The test run's cluster."""
    python()
    return RayServer(**shared("servers_ray:begun", tmp_path_factory))


if __name__ == "__main__":
    run_node(json.loads(sys.argv[1]))
