"""Tasks in worker processes of this machine: one process, many tasks, a new one where it died."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from noria import errors
from noria.adapters.folder import FolderStore
from noria.adapters.local_process import Process
from noria.errors import Bug, NoriaError, StepFailed
from noria.ports.objects import ObjectStore, Writer
from noria.records.base import Digest
from noria.records.tasks import PROTOCOL, Answer, Done, Frame, Raised, Reply, RunStep, Score, Task

TAIL = 20  # lines of a dead worker's output in its error
LINE = 1 << 16  # bytes after which a line without an end is handed on
LAST_WORDS = 0.2  # s that a dead worker's descendants get to finish a line, once it is gone

HINTS = {
    signal.SIGKILL: "was there enough memory? The system kills who takes too much of it: see `dmesg`",
    signal.SIGSEGV: "a library crashed: try another version of it, or fewer threads; `python -X faulthandler` says where",
    signal.SIGABRT: "a library gave up: its reason is in the last lines above",
    signal.SIGBUS: "a mapped file was cut short, or the disk under it failed",
    signal.SIGTERM: "somebody ended it; run again: finished steps are reused",
}


@dataclass(eq=False)
class WorkerLost(StepFailed):
    code: ClassVar[str] = "WORKER-LOST"
    what: ClassVar[str] = "{subject} ended its process with {ending}{said}"
    next: ClassVar[str] = "{hint}"
    subject: str
    signal: int | None
    exit_code: int | None
    tail: Sequence[str]
    log: Digest | None

    def facts(self) -> dict[str, object]:
        name = signal.Signals(self.signal).name if self.signal else ""
        lines = "".join(f"\n  {line}" for line in self.tail)
        return {
            **super().facts(),
            "ending": f"signal {self.signal} ({name})" if self.signal else f"exit code {self.exit_code}",
            "said": f"; its last lines were:{lines}" if lines else ", and had printed nothing",
            "hint": HINTS.get(signal.Signals(self.signal), "run again") if self.signal else _EXITED,
        }


_EXITED = (
    "let the step return, or raise an exception that says what is wrong: os._exit() ends the worker with it"
)


@dataclass(eq=False)
class WrongProtocol(Bug):
    code: ClassVar[str] = "WORKER-PROTOCOL"
    what: ClassVar[str] = "the worker speaks protocol {theirs}, this is {ours}"
    next: ClassVar[str] = "install one version of Noria, and run again"
    theirs: int
    ours: int


class LocalEngine:
    """An `Engine` whose workers import user code from `root`, with `project` as their working folder.

    `state` holds the object store that both sides share. For one thread at a time; a worker's death costs the task
    that it had, and the next one gets a fresh process.
    """

    def __init__(self, *, root: Path, project: Path, state: Path, threads: int) -> None:
        self._root = root
        self._project = project
        self._state = state
        self._threads = threads
        self._store: ObjectStore = FolderStore(state)
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The worker's, when there is one: its process group has the same number."""
        return self._process.pid if self._process else None

    def warm(self, pipeline: str = "") -> None:
        if self._process is None:
            self._process = Process(
                self._root, self._project, self._state, threads=self._threads, pipeline=pipeline
            )

    def perform(self, task: Task, *, on_output: Callable[[str], None] | None = None) -> Done:
        log = Log(self._store, on_output)
        try:
            reply = self._asked(_frames.encode(Frame(task=task)), log.feed)
            if reply is None:
                raise self._lost(task, log)
            digest = log.close()
        except BaseException:  # Ctrl-C too: nobody waits for this worker any more
            log.discard()
            self._kill()
            raise
        done = _parse(reply)
        if isinstance(done, Raised):
            raise as_error(done, digest)
        return msgspec.structs.replace(done, log=digest) if hasattr(done, "log") else done

    def close(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._kill()

    def _asked(self, body: bytes, feed: Callable[[bytes], None]) -> bytes | None:
        """The reply to a frame. A worker that died while it was idle had no task, so another one takes its place."""
        process = self._ready()
        try:
            return process.ask(body, feed)
        except BrokenPipeError:
            self._kill()
            return self._ready().ask(body, feed)

    def _ready(self) -> Process:
        if self._process is not None and self._process.dead():
            self._kill()
        self.warm()
        if self._process is None:
            raise RuntimeError("a worker was started and is not there")
        return self._process

    def _lost(self, task: Task, log: Log) -> WorkerLost:
        """What is known of a worker that ended in the middle of a task; what it had started ends with it."""
        process = self._process
        if process is None:
            raise RuntimeError("a worker that is not there cannot be lost")
        until = time.monotonic() + LAST_WORDS
        while process.drain(log.feed) and time.monotonic() < until and not process.dead():
            time.sleep(LAST_WORDS / 20)
        code = process.kill()
        self._process = None
        digest = log.close()
        return WorkerLost(
            subject=subject_of(task),
            signal=-code if code < 0 else None,
            exit_code=code if code >= 0 else None,
            tail=tuple(log.tail),
            log=digest,
        )

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None


class Log:
    """A task's captured output: handed on line by line, and stored as it came, never whole in memory."""

    def __init__(self, store: ObjectStore, on_output: Callable[[str], None] | None) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._store = store
        self._on_output = on_output
        self._open = contextlib.ExitStack()
        self._writer: Writer | None = None
        self._rest = b""

    def feed(self, part: bytes) -> None:
        if self._writer is None:
            self._writer = self._open.enter_context(self._store.writer())
        self._writer.write(part)
        *lines, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._say(line)

    def close(self) -> Digest | None:
        """Its digest, once it is durable; None when nothing was said."""
        if self._rest:
            self._say(self._rest)
            self._rest = b""
        self._open.close()
        return self._writer.digest if self._writer else None

    def discard(self) -> None:
        """Store nothing."""
        with contextlib.suppress(_Discarded), self._open:
            raise _Discarded

    def _say(self, line: bytes) -> None:
        """A progress bar draws itself anew after each carriage return: its last state counts."""
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
        self.tail.append(text)
        if self._on_output is not None:
            self._on_output(text)


class _Discarded(Exception):
    """Ends a writer's block without a result."""


_frames = msgspec.msgpack.Encoder()
_replies = msgspec.msgpack.Decoder(Reply)
_FAMILIES: dict[str, type[NoriaError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, NoriaError) and kind is not NoriaError
}


def as_error(raised: Raised, log: Digest | None = None) -> NoriaError:
    """What a worker raised, as an error of the same family, code, sentence and next step; `log` is a fact of it."""
    family = _FAMILIES.get(raised.family, StepFailed)
    facts = {"code": raised.code, "what": "{error}", "next": "{next_step}"}
    error: NoriaError = type(family.__name__, (family,), facts)()
    vars(error).update(error=raised.error, next_step=raised.next, log=log or raised.log)
    return error


def subject_of(task: Task) -> str:
    """What a task is, at the beginning of a sentence."""
    if isinstance(task, RunStep):
        return f"step {task.step}"
    if isinstance(task, Score):
        return f"the loss of {task.pipeline}"
    return f"predict {task.graph.predict}" + (" on the holdout" if isinstance(task, Answer) else "")


def _parse(reply: bytes) -> Done | Raised:
    answer = _replies.decode(reply)
    if answer.protocol != PROTOCOL:
        raise WrongProtocol(theirs=answer.protocol, ours=PROTOCOL)
    return answer.done
