"""Prefect with its server up, which is started once and is outside of the time: tasks in threads, results kept."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from measuring import surroundings
from peers import python_of

from contenders import Contender, Files

UP = 90.0  # s for the server to answer: it makes its database first
HEAD = """
from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE

kept = task(persist_result=True, cache_policy=INPUTS + TASK_SOURCE)
"""
FAN = """

@kept
def numbers():
    return list(range(SIZE))


@kept
def squared(number):
    return {"square": number * number}


@kept
def total(squared):
    return sum(one["square"] for one in squared)


@flow
def bench():
    total([one.result() for one in squared.map(numbers())])


bench()
"""


def prefect() -> list[Contender]:
    python = python_of("Prefect")
    if python is None:
        return []
    run = (python, "flow.py")
    return [Contender("Prefect", chain, fan, run, run, beside=server, slow=True)]


def chain(size: int) -> Files:
    tasks = ['\n\n@kept\ndef s0():\n    return {"n": 0}\n']
    tasks += [
        f'\n\n@kept\ndef s{at}(before):\n    return {{"n": before["n"] + 1}}\n' for at in range(1, size)
    ]
    calls = ["    value = s0()", *(f"    value = s{at}(value)" for at in range(1, size))]
    return {
        "flow.py": HEAD + "".join(tasks) + "\n\n@flow\ndef bench():\n" + "\n".join(calls) + "\n\n\nbench()\n"
    }


def fan(items: int) -> Files:
    return {"flow.py": HEAD + FAN.replace("SIZE", str(items))}


@contextmanager
def server(folder: Path) -> Iterator[Mapping[str, str]]:
    """A server on a free port of loopback, ended by its process."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    variables = {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
    }
    command = [python_of("Prefect"), "-m", "prefect", "server", "start"]
    words = [*command, "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=surroundings(folder, variables))
        try:
            _wait_for(f"{api}/health", process, folder / "server.log")
            yield variables
        finally:
            process.terminate()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + UP
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise SystemExit(f"Prefect's server does not answer:\n{log.read_text()[-2000:]}")
