"""What the served version takes: one real worker of the service, started, asked over loopback, and ended.

A busy machine makes requests slower and never faster, so rounds are repeated and of each figure the least round counts:
that is what the version itself needs. What a limit catches is the version, not the neighbour.
"""

from __future__ import annotations

import http.client
import math
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from noria.errors import StepFailed
from noria.gates.costs import Measured
from noria.ports.surroundings import surroundings
from noria.records.base import Json
from noria.records.policy import ServicePolicy
from noria.records.versions import Version
from noria.serving import wire
from noria.serving.bundle import Bundle
from noria.serving.environments import Environments
from noria.serving.log import narrator
from noria.serving.rows import log_schema
from noria.serving.sample import as_requests, sample_of
from noria.serving.worker_process import READY, Plan, spawn

if TYPE_CHECKING:
    import pyarrow as pa

    from noria.app.wiring import App
    from noria.records.artifacts import Artifact

WARM = 30  # requests that count for nothing: libraries loaded late, caches, clock speeds
ROUNDS = 5  # one of them is likely to fall between what else the machine does
ROUND = 200  # requests; their 99th percentile is the third slowest
FEWEST = 20  # of a round of a slow model
BUDGET = 10.0  # s for all rounds: whole ones for answers of 10 ms, while most take one
ANSWER = 60.0  # s for one answer; beyond, it is none
MEGA = 1e6  # bytes in the MB of a limit


@dataclass(eq=False)
class NotServed(StepFailed):
    code: ClassVar[str] = "GATE-SERVED"
    what: ClassVar[str] = "{version} could not be tried in a worker: {why}"
    next: ClassVar[str] = "noria serve {version} would fail alike; mend it and run again"
    version: str
    why: str


def measured(app: App, version: Version, rows: Artifact, *, seconds: float = BUDGET) -> Measured:
    """Latency and memory of one worker that answers raw rows one by one, on one connection. Raises `NotServed`."""
    asked = _requests(app, version, rows)
    with _worker(app, version) as (process, port):
        latencies = _asked(version, port, asked, seconds)
        memory = _resident(process.pid)
    return figures(latencies, memory)


def figures(latencies: Sequence[Sequence[float]], memory: float) -> Measured:
    """Of rounds of seconds a request, and bytes: the least round's percentiles."""
    p50 = [_quantile(each, 0.5) * 1e3 for each in latencies]
    p99 = [_quantile(each, 0.99) * 1e3 for each in latencies]
    requests = len(latencies[0])
    evidence: dict[str, Json] = {
        "p50_ms": [round(each, 4) for each in p50],
        "p99_ms": [round(each, 4) for each in p99],
        "requests": requests,
        "memory_mb": round(memory / MEGA, 1),
        "workers": 1,
        "rows": 1,
    }
    busy = sum(each > 1.5 * min(p99) for each in p99)
    how = f"the least of {len(latencies)} rounds of {requests} requests of one row, one worker"
    how += f"; {busy} of them took half as long again" if busy else ""
    return Measured(
        figures={"latency_p50_ms": min(p50), "latency_p99_ms": min(p99), "memory_mb": memory / MEGA},
        how=how,
        evidence=evidence,
    )


def size_of(version: Version) -> Measured:
    """The bytes that a worker loads: the frozen outputs of the serving graph."""
    sizes = {name: artifact.size for name, artifact in version.graph.frozen.items()}
    largest = max(sizes, key=lambda name: sizes[name], default="")
    how = (
        f"{len(sizes)} artifact{'s' if len(sizes) > 1 else ''}, the largest {largest}"
        if sizes
        else "nothing is frozen"
    )
    evidence: dict[str, Json] = {"bytes": dict(sizes)}
    return Measured(figures={"size_mb": sum(sizes.values()) / MEGA}, how=how, evidence=evidence)


def _requests(app: App, version: Version, rows: Artifact) -> list[bytes]:
    """Bodies of one row each, from all over the table."""
    table: pa.Table = app.artifacts.table(rows)
    names = [column.name for column in version.signature.request]
    every = max(1, table.num_rows // ROUND)
    chosen = table.select(names).take(list(range(0, table.num_rows, every))[:ROUND])
    if not chosen.num_rows:
        raise NotServed(version=version.name, why="there are no rows to ask")
    return [msgspec.json.encode({"rows": [row]}) for row in as_requests(chosen)]


@contextmanager
def _worker(app: App, version: Version) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A worker that answers on a port of loopback, until the block ends. Nothing that it answers is logged."""
    with (
        tempfile.TemporaryDirectory(prefix="noria-gate-") as folder,
        closing(socket.create_server(("127.0.0.1", 0))) as listening,
        open(os.path.join(folder, "log"), "w+b") as log,  # noqa: PTH118, PTH123
    ):
        plan = _plan(app, version, Path(folder), log.fileno())
        process, ours = spawn(plan, Path(folder, "worker"), out=log.fileno())
        with closing(ours):
            try:
                _until_ready(version, ours)
                wire.say(ours, wire.Accept(), [listening])
                yield process, listening.getsockname()[1]
            finally:
                process.kill()
                process.wait()


def _plan(app: App, version: Version, folder: Path, log: int) -> Plan:
    from noria.source.environment import environment

    environments = Environments(environment(app.project), app.project, narrator(app.clock, log))
    return Plan(
        bundle=_bundle(app, version, folder, log),
        python=environments.python_of(version),
        variables=surroundings(os.environ) | app.elsewhere,
    )


def _bundle(app: App, version: Version, folder: Path, log: int) -> Bundle:
    service = ServicePolicy()
    return Bundle(
        version=version,
        follows=str(version.number),
        state=os.fspath(app.state),
        objects=os.environ.get("NORIA_OBJECTS") or app.policy.store.objects,
        log_schema=log_schema(version.signature),
        sample=sample_of(version, app.artifacts, narrator(app.clock, log)),
        hub=str(folder / "hub"),
        max_body=service.max_body,
        max_rows=service.max_rows,
        deadline=ANSWER,
        durability="off",
        by_column=True,
    )


def _until_ready(version: Version, channel: socket.socket) -> None:
    channel.settimeout(READY)
    try:
        heard = wire.hear(channel)
    except TimeoutError as error:
        raise NotServed(version=version.name, why=f"it was not ready in {READY:g} s") from error
    match heard[0] if heard else None:
        case wire.Ready():
            return
        case wire.Failed(reason=reason):
            raise NotServed(version=version.name, why=reason)
        case _:
            raise NotServed(version=version.name, why="its worker ended before it was ready")


def _asked(version: Version, port: int, bodies: Sequence[bytes], seconds: float) -> list[list[float]]:
    """Seconds of each request, round by round; the answers must be answers."""
    path = f"/v1/models/{version.model}/predict"
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER)) as connection:
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        warm = [_once(version, connection, path, bodies[place % len(bodies)]) for place in range(WARM)]
        affordable = int(seconds / ROUNDS / max(_quantile(warm, 0.5), 1e-6))
        count = min(ROUND, max(FEWEST, affordable))
        return [
            [_once(version, connection, path, bodies[place % len(bodies)]) for place in range(count)]
            for _ in range(ROUNDS)
        ]


def _once(version: Version, connection: http.client.HTTPConnection, path: str, body: bytes) -> float:
    started = time.perf_counter()
    try:
        connection.request("POST", path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise NotServed(version=version.name, why=f"it gave no answer: {error!r}") from error
    took = time.perf_counter() - started
    if answer.status != 200:
        told = said[:300].decode(errors="replace")  # of other bytes, or cut within a letter
        raise NotServed(version=version.name, why=f"it answered {answer.status}: {told}")
    return took


def _quantile(values: Sequence[float], share: float) -> float:
    """The least value that `share` of all are at most; the nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _resident(pid: int) -> float:
    """Bytes of memory that a process held at most, of its own and of files that it has mapped."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return float(fields["VmHWM"].split()[0]) * 1024
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return float(shown.stdout) * 1024  # without /proc: what it holds now
