"""Servers under measurement, from their start to their end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from asked_of import COLUMNS
from asking import below
from measuring import surroundings

PATIENCE = 120.0  # s for a server's first answer
First = tuple[str, bytes]  # path and body of a server's first request


@dataclass
class Server:
    """A server that answers."""

    url: str
    pids: list[int]
    first: float
    """Seconds from its start to its first answer."""


@contextmanager
def noria_server(project: Path, model: str, first: First) -> Iterator[Server]:
    """What `noria serve` starts; its keeper first among the processes, then the workers."""
    began = time.perf_counter()
    words = ["--state", str(project / ".noria"), "--model", model, "--port", "0", "--no-spare"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "noria.serving", *words],
        cwd=project,
        env=surroundings(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = json.loads(process.stdout.readline())["url"]
        _answered(url, *first)
        yield Server(url, [process.pid, *below(process.pid)], time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def script_server(script: str, python: str, model: Path, first: First) -> Iterator[Server]:
    """One of `servers/`, around a model's file."""
    began = time.perf_counter()
    path = Path(__file__).parent / "servers" / script
    process = subprocess.Popen(
        [python, str(path), str(model), ",".join(COLUMNS), "predict_proba:1"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        threading.Thread(target=process.stdout.read, daemon=True).start()  # what it says must not stop it
        _answered(url, *first)
        yield Server(url, [process.pid], time.perf_counter() - began)
    finally:
        for each in (*below(process.pid), process.pid):  # some give their workers sessions of their own
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.wait()


def _answered(url: str, path: str, body: bytes) -> None:
    """Asked again and again: some say their port before they listen, or listen before their model is there."""
    made = urllib.request.Request(f"{url}{path}", body, {"content-type": "application/json"})
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(made, timeout=PATIENCE) as answer:
                assert answer.status == 200
                return
        except (OSError, urllib.error.HTTPError):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
