"""What a whole test run needs once, whatever the number of its processes: made by whichever asks first.

A server is owned by a keeper process, which ends it when the test run's first process is gone, however that goes.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

LOOK = 0.2  # s between two looks at whether the test run goes on


def shared(began: str, factory: pytest.TempPathFactory) -> Any:
    """What a server's context manager gives, as JSON; `began` names it: `servers_s3:begun`."""
    folder, name = _common(factory), began.replace(":", "-")
    said = folder / f"{name}.json"
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            said.write_text(_kept(began, folder / f"{name}.log"))
    return json.loads(said.read_text())


def made(name: str, factory: pytest.TempPathFactory, make: Callable[[Path], object]) -> Path:
    """A folder that `make` fills, given its path before it is there: to be read or copied, never changed."""
    folder = _common(factory) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder.with_suffix(".made")
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of another that was interrupted
            make(folder)
            done.touch()
    return folder


def _common(factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of the test run see."""
    own = factory.getbasetemp()
    return own.parent if _is_one_of_several() else own


def _is_one_of_several() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def _kept(began: str, said: Path) -> str:
    """The first line of a keeper, which lives as long as the test run."""
    first = os.getppid() if _is_one_of_several() else os.getpid()
    with said.open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, began, str(first)],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
    line = keeper.stdout.readline() if keeper.stdout else b""
    if not line:
        raise RuntimeError(said.read_text())
    return line.decode()


def keep(began: str, first: int) -> None:
    """Start a server, say what it gives, and end it with the process `first`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    module, _, name = began.partition(":")
    with getattr(import_module(module), name)() as given:
        print(json.dumps(given), flush=True)
        while _lives(first):
            time.sleep(LOOK)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


if __name__ == "__main__":
    keep(sys.argv[1], int(sys.argv[2]))
