"""A load for servers: each connection asks again as soon as it is answered, and answers are held against what is right."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

CHECKED = 20  # every so many answers are read: reading all would make the client the bottleneck
WARM = 0.5  # s before anything is counted


@dataclass
class Load:
    """What came of asking for some seconds."""

    requests: int
    seconds: float
    cpu: float
    """Of the server's processes."""
    times: list[float] = field(repr=False, default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def per_cpu_second(self) -> float:
        return self.requests / max(self.cpu, 1e-9)

    def quantile(self, share: float) -> float:
        """Seconds."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def requests(path: str, bodies: Sequence[bytes], content: str = "application/json") -> list[bytes]:
    """Whole requests, as they go over the wire."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content}\r\ncontent-length: %d\r\n\r\n"
    return [head.encode() % len(body) + body for body in bodies]


def ask(
    url: str,
    asked: Sequence[bytes],
    *,
    connections: int,
    seconds: float,
    pids: Sequence[int],
    right: Callable[[int, bytes], str | None],
) -> Load:
    """`right`: what is wrong with the answer to a request, by its place; None for nothing."""
    return uvloop.run(_ask(url, asked, connections, seconds, pids, right))


async def _ask(
    url: str,
    asked: Sequence[bytes],
    connections: int,
    seconds: float,
    pids: Sequence[int],
    right: Callable[[int, bytes], str | None],
) -> Load:
    loop, state = asyncio.get_running_loop(), _State(asked, right)
    address = urlsplit(url)
    for number in range(connections):
        await loop.create_connection(
            lambda number=number: _Caller(state, number * 7), address.hostname, address.port
        )
    await asyncio.sleep(WARM)
    state.times.clear()
    began, spent = time.perf_counter(), cpu_seconds(pids)
    await asyncio.sleep(seconds)
    took, spent = time.perf_counter() - began, cpu_seconds(pids) - spent
    state.over = True
    return Load(len(state.times), took, spent, list(state.times), state.wrong)


@dataclass
class _State:
    asked: Sequence[bytes]
    right: Callable[[int, bytes], str | None]
    times: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: int = 0
    over: bool = False


class _Caller(asyncio.Protocol):
    def __init__(self, state: _State, at: int) -> None:
        self._state = state
        self._at = at % len(state.asked)
        self._data = b""
        self._began = 0.0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        state = self._state
        state.times.append(time.perf_counter() - self._began)
        state.answers += 1
        if not head.startswith(b"HTTP/1.1 200"):
            state.wrong.append(self._data[:300].decode(errors="replace"))
        elif state.answers % CHECKED == 0 and (fault := state.right(self._at, body)):
            state.wrong.append(fault)
        self._data = b""
        if not state.over:
            self._at = (self._at + 1) % len(state.asked)
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._state.over:
            self._state.wrong.append(f"the connection was lost: {error!r}")

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._state.asked[self._at])


def _length(head: bytes) -> int:
    lowered = head.lower()
    return int(lowered.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


def cpu_seconds(pids: Sequence[int]) -> float:
    """Of the processes and of all below them, those among them that have ended and were waited for."""
    total = 0.0
    for pid in pids:
        for each in (pid, *below(pid)):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return total


def below(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *below(child)]
    return found


def memory_mb(pid: int) -> float:
    """Resident memory of one process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
