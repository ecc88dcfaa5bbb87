"""A worker process seen from its driver: started, asked, watched, ended; and the frames that go between them.

The worker has a session of its own and four pipes: tasks, replies, its captured output, and one on which nothing is
ever written. The kernel closes that one when the driver dies, however it dies, and so the worker's whole process
group ends (see `app/worker.py`). Frames are a length (4 bytes, big-endian) and MessagePack.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from noria.ports.surroundings import THREADS, surroundings

WORKER = "noria.app.worker"
HEAD = struct.Struct(">I")
CHUNK = 1 << 16  # bytes of a pipe's buffer, and so of one read
GRACE = 2.0  # s that a worker gets at the end for its exit handlers, before its group is killed
BLIND = 0.2  # s between two looks for a dead worker where the system has no pidfd


def write_frame(descriptor: int, body: bytes) -> None:
    """Write a whole frame, blocking. Raises BrokenPipeError when nobody reads any more."""
    data = memoryview(HEAD.pack(len(body)) + body)
    while data:
        data = data[os.write(descriptor, data) :]


def read_frame(descriptor: int) -> bytes | None:
    """The next frame, blocking; None at the end, or when the other side died in the middle of one."""
    head = _exactly(descriptor, HEAD.size)
    return _exactly(descriptor, HEAD.unpack(head)[0]) if head else None


def _exactly(descriptor: int, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = os.read(descriptor, min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


@dataclass(frozen=True)
class Kind:
    """What a worker is started with and keeps: jobs that need another one get another process."""

    python: Path
    threads: int
    gpus: tuple[int, ...] = ()

    def variables(self) -> dict[str, str]:
        made = dict.fromkeys(THREADS, str(self.threads))
        return made | {"CUDA_VISIBLE_DEVICES": ",".join(map(str, self.gpus))}


class Process:
    """One worker. `Process(...)` has started it; `end_all` or `kill` leaves nothing of its group."""

    def __init__(
        self,
        root: Path,
        project: Path,
        state: Path,
        *,
        kind: Kind,
        objects: str | None = None,
        pipeline: str = "",
    ) -> None:
        self.kind = kind
        self.over = False
        """Whether no reply can come any more."""
        self.peak = 0
        """Bytes of memory that it had at most, known once it is killed."""
        self._got = bytearray()
        tasks, self._tasks = os.pipe()
        self._replies, replies = os.pipe()
        self._output, output = os.pipe()
        life, self._life = os.pipe()
        theirs = (tasks, replies, life)
        words = [*map(str, theirs), str(root), str(state), pipeline, objects or ""]
        try:
            self._process = subprocess.Popen(
                # -P: the working folder may hold a random.py; the user's code has its place on the path later
                [str(kind.python), "-P", "-m", WORKER, *words],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the driver alone
                cwd=project,
                env=surroundings(os.environ) | kind.variables(),
            )
        finally:
            for descriptor in (*theirs, output):
                os.close(descriptor)
        for descriptor in (self._replies, self._output):
            os.set_blocking(descriptor, False)
        self.pid = self._process.pid
        self._watch = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else None
        self._left: list[int] = [self._tasks, self._replies, self._output, self._life]
        self._left += [self._watch] if self._watch is not None else []
        self._silent = False  # nobody can write output any more

    def send(self, body: bytes) -> None:
        """Send a frame. Raises BrokenPipeError when the worker was dead before it could read."""
        write_frame(self._tasks, body)

    def descriptors(self) -> list[int]:
        """What to wait on: replies, output, and the process itself where the system can."""
        watched = [self._replies] + ([] if self._silent else [self._output])
        return [*watched, self._watch] if self._watch is not None else watched

    def reply(self) -> bytes | None:
        """The reply, once it is complete; None before. `over` tells that none will come."""
        gone = self.dead()
        while (part := _some(self._replies)) is not None:
            if not part:
                gone = True  # its end of the pipe is closed
                break
            self._got += part
        got = self._got
        if len(got) >= HEAD.size and len(got) >= HEAD.size + HEAD.unpack_from(got)[0]:
            body = bytes(got[HEAD.size :])
            got.clear()
            return body
        self.over = gone
        return None

    def drain(self, feed: Callable[[bytes], None]) -> bool:
        """Feed what it has written so far; False when nobody can write any more."""
        while not self._silent and (part := _some(self._output)) is not None:
            if part:
                feed(part)
            else:
                self._silent = True
        return not self._silent

    def dead(self) -> bool:
        """Whether it has ended; it stays to be reaped."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._process.returncode is not None or os.waitid(os.P_PID, self.pid, flags) is not None

    @staticmethod
    def end_all(processes: Sequence[Process]) -> None:
        """Let idle workers run their exit handlers, side by side, then see to it that their groups are gone."""
        for process in processes:
            process._close(process._tasks)
        until = time.monotonic() + GRACE
        waiting = [process for process in processes if not process.dead()]
        while waiting and (left := until - time.monotonic()) > 0:
            with Waiting(waiting) as wait:
                wait.ready(min(left, BLIND))
            for process in waiting:
                process.drain(lambda part: None)
            waiting = [process for process in waiting if not process.dead()]
        for process in processes:
            process.kill()

    def kill(self) -> int:
        """End the worker and everything that it has started, now. Its exit code; a signal's number is negative."""
        if self._process.returncode is None:
            with contextlib.suppress(
                ProcessLookupError
            ):  # the group is empty, and its leader is still to be reaped
                os.killpg(self.pid, signal.SIGKILL)
            _, status, usage = os.wait4(self.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        for descriptor in list(self._left):
            self._close(descriptor)
        return self._process.returncode

    def _close(self, descriptor: int) -> None:
        if descriptor in self._left:
            self._left.remove(descriptor)
            os.close(descriptor)


class Waiting:
    """Waits for the first of several processes to say, reply or end; used as a block."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._selector = selectors.DefaultSelector()
        self._blind = False
        for process in processes:
            watched = process.descriptors()
            self._blind |= len(watched) < 2 or process._watch is None
            for descriptor in watched:
                self._selector.register(descriptor, selectors.EVENT_READ, process)

    def ready(self, seconds: float | None) -> list[Process]:
        """Those with something to be read, each once; all of them after a while where the system cannot tell that a
        process has ended."""
        if self._blind:
            seconds = BLIND if seconds is None else min(seconds, BLIND)
        found = {key.data: None for key, _ in self._selector.select(seconds)}
        if not found and self._blind:
            found = {key.data: None for key in self._selector.get_map().values()}
        return list(found)

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()


def _some(descriptor: int) -> bytes | None:
    """What is there to be read; empty at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None
