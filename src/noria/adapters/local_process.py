"""A worker process seen from its driver: started, asked, watched, ended.

The worker has a session of its own and four pipes: tasks, replies, its captured output, and one on which nothing is
ever written. The kernel closes that one when the driver dies, however it dies, and so the worker's whole process
group ends (see `app/worker.py`).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noria.adapters.frames import framed, unframed
from noria.ports.surroundings import THREADS, surroundings

WORKER = "noria.app.worker"
CHUNK = 1 << 16  # bytes of a pipe's buffer, and so of one read
GRACE = 2.0  # s that a worker gets at the end for its exit handlers, before its group is killed
BLIND = 0.2  # s between two looks for a dead worker where the system has no pidfd


@dataclass(frozen=True)
class Kind:
    """What a worker is started with and keeps: a job that needs another kind gets another process."""

    python: Path
    threads: int
    gpus: tuple[str, ...] = ()
    limited: bool = False
    """Whether its jobs have a limit of memory."""

    def variables(self) -> dict[str, str]:
        made = dict.fromkeys(THREADS, str(self.threads))
        made["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        if self.limited:  # else Arrow's allocator takes 1 GiB with its first byte, and all of it would count
            made["MIMALLOC_ARENA_EAGER_COMMIT"] = "0"
        return made


@dataclass(frozen=True)
class Place:
    """Where workers stand: the user's code, the working folder, the state, and what else they are told."""

    root: Path
    project: Path
    state: Path
    objects: str | None = None


class Process:
    """One worker. `Process(...)` has started it; `kill` leaves nothing of its group. Raises OSError when it cannot be
    started."""

    def __init__(self, place: Place, kind: Kind, watch: Watch, *, pipeline: str = "") -> None:
        self.kind = kind
        self.over = False
        """Whether no reply can come any more."""
        self.peak = 0
        """Bytes of memory that it had at most, known once it is killed."""
        self.leaves_by = float("inf")
        """The monotonic time at which it is killed, once it was told to leave."""
        self.served = False
        """Whether it has ever been given a job."""
        self.attempt: object = None
        """What its driver has it do."""
        self._watch = watch
        self._got, self._unsent = bytearray(), memoryview(b"")
        tasks, self._tasks = os.pipe()
        self._replies, replies = os.pipe()
        self._output, output = os.pipe()
        life, self._life = os.pipe()
        theirs = (tasks, replies, life)
        self._left = [self._tasks, self._replies, self._output, self._life]
        words = [str(place.root), str(place.state), pipeline, place.objects or ""]
        try:
            self._process = subprocess.Popen(
                # -P: the working folder may hold a random.py; the user's code has its place on the path later
                [str(kind.python), "-P", "-m", WORKER, *map(str, theirs), *words],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the driver alone
                cwd=place.project,
                env=surroundings(os.environ) | kind.variables(),
            )
        except OSError:
            for descriptor in self._left:
                os.close(descriptor)
            raise
        finally:
            for descriptor in (*theirs, output):
                os.close(descriptor)
        self.pid = self._process.pid
        self._watched()

    def send(self, body: bytes) -> None:
        """Send a frame; `push` sends what the pipe does not take at once. Raises BrokenPipeError when the worker was
        dead before it could read."""
        self.served = True
        self._unsent = memoryview(framed(body))
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[os.write(self._tasks, self._unsent) :]
        if self._unsent:
            self._watch.add(self._tasks, self, selectors.EVENT_WRITE)

    def push(self) -> None:
        """Send more of a frame that was too long for the pipe."""
        if not self._unsent:
            return
        try:
            self._unsent = self._unsent[os.write(self._tasks, self._unsent) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it has died: `reply` finds out
            self._unsent = memoryview(b"")
        if not self._unsent:
            self._watch.drop(self._tasks)

    def reply(self) -> bytes | None:
        """The reply, once it is complete; None before. `over` tells that none will come."""
        gone = self.dead()
        while (part := _some(self._replies)) is not None:
            if not part:
                gone = True  # its end of the pipe is closed
                break
            self._got += part
        body = unframed(self._got)
        self.over = body is None and gone
        return body

    def drain(self, feed: Callable[[bytes], None]) -> bool:
        """Feed what it has written, as much as a pipe holds at most: who writes without an end keeps nobody waiting.
        False when nobody can write any more."""
        read = 0
        while read < CHUNK and self._output in self._left and (part := _some(self._output)) is not None:
            if not part:
                self._close(self._output)
                break
            feed(part)
            read += len(part)
        return self._output in self._left

    def dead(self) -> bool:
        """Whether it has ended; it stays to be reaped, where the system can look without reaping."""
        if self._process.returncode is None and hasattr(os, "waitid"):
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        if self._process.returncode is None:
            self._reap(os.WNOHANG)
        return self._process.returncode is not None

    def leave(self) -> None:
        """Let an idle worker run its exit handlers and end; who waits for it kills what is left."""
        self.leaves_by = time.monotonic() + GRACE
        self._close(self._tasks)

    def kill(self) -> int:
        """End the worker and everything that it has started, now. Its exit code; a signal's number is negative."""
        self._kill_group()
        if self._process.returncode is None:
            self._reap(0)
        for descriptor in list(self._left):
            self._close(descriptor)
        return self._process.returncode or 0

    def accompanied(self) -> bool:
        """Whether something that it has started is still there, or may be where the system does not say."""
        folder = Path("/proc")
        if not (folder / "self").exists():
            return True
        others = (entry.name for entry in os.scandir(folder) if entry.name.isdigit())
        return any(int(name) != self.pid and _group(name) == self.pid for name in others)

    def _watched(self) -> None:
        for descriptor in (self._tasks, self._replies, self._output):
            os.set_blocking(descriptor, False)
        self._watch.add(self._replies, self)
        self._watch.add(self._output, self)
        if hasattr(os, "pidfd_open"):
            self._left.append(os.pidfd_open(self.pid))
            self._watch.add(self._left[-1], self)

    def _reap(self, flags: int) -> None:
        pid, status, usage = os.wait4(self.pid, flags)
        if pid:
            self._kill_group()
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    def _kill_group(self) -> None:
        if self._process.returncode is None:
            # the group may be empty, its leader still to be reaped (macOS then says PermissionError)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _close(self, descriptor: int) -> None:
        if descriptor in self._left:
            self._left.remove(descriptor)
            self._watch.drop(descriptor)
            os.close(descriptor)


class Watch:
    """Waits for the first of all worker processes to say, reply or end."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._blind = not hasattr(os, "pidfd_open")

    def add(self, descriptor: int, process: Process, events: int = selectors.EVENT_READ) -> None:
        self._selector.register(descriptor, events, process)

    def drop(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):  # not every descriptor is watched
            self._selector.unregister(descriptor)

    def ready(self, seconds: float | None) -> list[Process]:
        """Those with news, each once; all of them after a while where the system cannot tell that one has ended."""
        if self._blind:
            seconds = BLIND if seconds is None else min(seconds, BLIND)
        found = {key.data: None for key, _ in self._selector.select(seconds)}
        if not found and self._blind:
            found = {key.data: None for key in self._selector.get_map().values()}
        return list(found)


def _some(descriptor: int) -> bytes | None:
    """What is there to be read; empty at the end, None when there is nothing yet."""
    try:
        return os.read(descriptor, CHUNK)
    except BlockingIOError:
        return None


def _group(pid: str) -> int | None:
    """The process group of a process that has not ended; None when it has."""
    try:
        state, _, group = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else int(group)
