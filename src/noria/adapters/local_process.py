"""A worker process seen from its driver: started, asked, watched, ended; and the frames that go between them.

The worker has a session of its own and four pipes: tasks, replies, its captured output, and one on which nothing is
ever written. The kernel closes that one when the driver dies, however it dies, and so the worker's whole process
group ends (see `app/worker.py`). Frames are a length (4 bytes, big-endian) and MessagePack.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
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


class Process:
    """One worker. `Process(...)` has started it; `end` or `kill` leaves nothing of its group."""

    def __init__(self, root: Path, project: Path, state: Path, *, threads: int, pipeline: str = "") -> None:
        tasks, self._tasks = os.pipe()
        self._replies, replies = os.pipe()
        self._output, output = os.pipe()
        life, self._life = os.pipe()
        theirs = (tasks, replies, life)
        try:
            self._process = subprocess.Popen(
                # -P: the working folder may hold a random.py; the user's code has its place on the path later
                [sys.executable, "-P", "-m", WORKER, *map(str, theirs), str(root), str(state), pipeline],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the driver alone
                cwd=project,
                env=surroundings(os.environ) | dict.fromkeys(THREADS, str(threads)),
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

    def ask(self, body: bytes, feed: Callable[[bytes], None]) -> bytes | None:
        """Send a frame and wait for its reply; `feed` gets the output meanwhile. None: it died.

        Raises BrokenPipeError when it was dead before it could read.
        """
        write_frame(self._tasks, body)
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            selector.register(self._output, selectors.EVENT_READ)
            if self._watch is not None:
                selector.register(self._watch, selectors.EVENT_READ)
            reply = self._reply(selector, feed)
        self.drain(feed)
        return reply

    def drain(self, feed: Callable[[bytes], None]) -> bool:
        """Feed what it has written so far; False when nobody can write any more."""
        while (part := _some(self._output)) is not None:
            if not part:
                return False
            feed(part)
        return True

    def dead(self) -> bool:
        """Whether it has ended; it stays to be reaped."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._process.returncode is not None or os.waitid(os.P_PID, self.pid, flags) is not None

    def end(self) -> None:
        """Let an idle worker run its exit handlers, then see to it that its group is gone."""
        self._close(self._tasks)
        until = time.monotonic() + GRACE
        while not self.dead() and (left := until - time.monotonic()) > 0:
            self._wait(left)
        self.kill()

    def kill(self) -> int:
        """End the worker and everything that it has started, now. Its exit code; a signal's number is negative."""
        if self._process.returncode is None:
            with contextlib.suppress(
                ProcessLookupError
            ):  # the group is empty, and its leader is still to be reaped
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        for descriptor in list(self._left):
            self._close(descriptor)
        return self._process.returncode

    def _reply(self, selector: selectors.BaseSelector, feed: Callable[[bytes], None]) -> bytes | None:
        got = bytearray()
        while True:
            ready = {key.fd for key, _ in selector.select(None if self._watch is not None else BLIND)}
            if self._output in ready and not self.drain(feed):
                selector.unregister(self._output)
            over = self._watch in ready or (self._watch is None and self.dead())
            while (part := _some(self._replies)) is not None:
                if not part:
                    over = True  # its end of the pipe is closed
                    break
                got += part
            if len(got) >= HEAD.size and len(got) >= HEAD.size + HEAD.unpack_from(got)[0]:
                return bytes(got[HEAD.size :])
            if over:
                return None

    def _wait(self, seconds: float) -> None:
        watched = [self._output] if self._watch is None else [self._output, self._watch]
        ready, _, _ = select.select(watched, [], [], min(seconds, BLIND))
        if self._output in ready and not self.drain(lambda part: None) and self._watch is None:
            time.sleep(BLIND / 10)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._left:
            self._left.remove(descriptor)
            os.close(descriptor)


def _some(descriptor: int) -> bytes | None:
    """What is there to be read; empty at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None
