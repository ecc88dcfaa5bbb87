"""Waiting for a PostgreSQL server that does not answer: Ctrl-C ends it, and a connection is not waited for without end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from noria.adapters.sql import open_records
from noria.errors import Unavailable
from noria.ports.leases import Busy
from noria.testing.records.doors import begin
from servers import PATIENCE, PostgresServer, postgres

pytestmark = pytest.mark.xdist_group("postgres")

APPENDS = """
import sys
from noria.adapters.sql import open_records
from noria.testing.records.doors import begin

with open_records(sys.argv[1], busy=600) as records:
    print("opened", flush=True)
    sys.stdin.readline()
    begin(records)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres() as started:
        yield started


@contextmanager
def a_lock(server: PostgresServer, url: str) -> Iterator[Callable[[], bool]]:
    """Somebody else holds the model's row."""
    with closing(psycopg2.connect(url)) as other:
        other.cursor().execute("SELECT * FROM models FOR UPDATE")
        yield lambda: bool(_sessions(server, url, "wait_event_type = 'Lock'"))


@contextmanager
def a_silent_server(server: PostgresServer, url: str) -> Iterator[Callable[[], bool]]:
    """The process that answers is stopped, as one on a machine that hangs."""
    _until(lambda: len(_sessions(server, url, "true")) == 1)  # those of before take a moment to leave
    (pid,) = _sessions(server, url, "true")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield lambda: _unread(_port_of(server, pid))
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("obstacle", [a_lock, a_silent_server])
def test_ctrl_c_ends_a_wait(server: PostgresServer, obstacle: Callable[..., object]) -> None:
    url = server.database()
    with open_records(url) as records:
        begin(records)
    child = subprocess.Popen(
        [sys.executable, "-c", APPENDS, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == "opened\n"
    with obstacle(server, url) as waits:  # type: ignore[attr-defined]
        child.stdin.write("\n")
        child.stdin.flush()
        _until(waits)
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=PATIENCE)  # the obstacle is still there
    assert "KeyboardInterrupt" in error
    with open_records(url) as records:
        assert begin(records).number == 2


def test_a_server_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from noria.adapters.sql import patience, wire

    monkeypatch.setattr(patience, "PATIENCE", 0.2)
    monkeypatch.setattr(wire, "SILENT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as mute, pytest.raises(Unavailable, match="said nothing"):
        open_records(f"postgresql://noria@127.0.0.1:{mute.getsockname()[1]}/records")


def test_the_next_address_is_tried(server: PostgresServer) -> None:
    url = server.database().replace("127.0.0.1", "127.0.0.1:1,127.0.0.1", 1)
    with open_records(url) as records:
        assert begin(records).number == 1


def test_a_lease_is_had_back_when_the_server_has_forgotten_it(server: PostgresServer) -> None:
    url = server.database()
    with open_records(url) as records:
        leases = records.leases
        assert leases is not None
        with leases.hold("demand", "somebody"):
            for _ in range(2):  # the lock that was had back is kept, too
                _lose_lock(server, url)
                _until(lambda: leases.holder("demand") is not None)
                with pytest.raises(Busy), leases.hold("demand", "another"):
                    pass
        assert leases.holder("demand") is None


def test_who_took_a_lease_meanwhile_is_told_of(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noria.adapters.sql import leases

    monkeypatch.setattr(leases, "PAUSE", 0.5)  # so that the other one is quicker
    url, said = server.database(), list[str]()
    with open_records(url, tell=said.append) as records, open_records(url) as others:
        ours, theirs = records.leases, others.leases
        assert ours is not None and theirs is not None
        with ours.hold("demand", "somebody"):
            _lose_lock(server, url)
            _until(lambda: theirs.holder("demand") is None)
            with theirs.hold("demand", "another"):
                _until(lambda: bool(said))
            _until(lambda: ours.holder("demand") is not None)
        assert ours.holder("demand") is None
    assert len(said) == 1 and "works on demand, too" in said[0]


def test_a_session_whose_end_the_server_has_not_seen_is_no_other_driver(server: PostgresServer) -> None:
    url, said = server.database(), list[str]()
    with _half_closed(server, url) as (through, close), open_records(through, tell=said.append) as records:
        leases = records.leases
        assert leases is not None
        with leases.hold("demand", "somebody"):
            (before,) = _sessions(server, url, HOLDS)
            close()
            _until(lambda: _sessions(server, url, HOLDS) not in ([before], []))
        assert said == []


@contextmanager
def _half_closed(server: PostgresServer, url: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """An address of the server, and what lets its clients see the end of all connections so far, the server of none."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made: list[socket.socket] = []

        def pass_on(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    behind = socket.create_connection(("127.0.0.1", server.port))
                    made.extend((client, behind))
                    for pair in ((client, behind), (behind, client)):
                        threading.Thread(target=pass_on, args=pair, daemon=True).start()

        def close() -> None:
            for client in made[::2]:
                client.shutdown(socket.SHUT_WR)

        threading.Thread(target=accept, daemon=True).start()
        yield url.replace(f":{server.port}/", f":{listening.getsockname()[1]}/"), close
        for each in made:
            each.close()


HOLDS = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"


def _lose_lock(server: PostgresServer, url: str) -> None:
    (pid,) = _sessions(server, url, "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')")
    server.run(f"SELECT pg_terminate_backend({pid})")
    _until(lambda: not _sessions(server, url, f"pid = {pid}"))


def _sessions(server: PostgresServer, url: str, which: str) -> list[int]:
    found = server.run(
        "SELECT pid FROM pg_stat_activity"
        f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}",
        url=url,
    )
    return [pid for (pid,) in found]


def _port_of(server: PostgresServer, pid: int) -> int:
    return int(server.run(f"SELECT client_port FROM pg_stat_activity WHERE pid = {pid}")[0][0])


def _unread(port: int) -> bool:
    """Whether what came from this port waits to be read by the server."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[2].partition(":")[2], 16) == port and int(fields[4].partition(":")[2], 16):
            return True
    return False


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
