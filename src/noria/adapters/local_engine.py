"""Jobs in worker processes of this machine, side by side as far as its cores and memory reach."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import msgspec

from noria.adapters import local_limits
from noria.adapters.folder import FolderStore
from noria.adapters.local_capacity import Grant, asked, capacity
from noria.adapters.local_errors import (
    LackedMemory,
    StepTimedOut,
    TooLarge,
    WorkerLost,
    WrongProtocol,
    as_error,
    subject_of,
)
from noria.adapters.local_log import Log
from noria.adapters.local_process import Kind, Process, Waiting
from noria.errors import NoriaError
from noria.ports.engine import Broke, Ended, Happening, Job, Said, Started
from noria.ports.objects import ObjectStore
from noria.records.base import Digest
from noria.records.needs import Fault
from noria.records.tasks import PROTOCOL, Done, Frame, Raised, Reply

LAST_WORDS = 0.2  # s that a dead worker's descendants get to finish a line, once it is gone
NEARLY = 0.8  # of the memory it was allowed: a process that aborts with so much taken lacked memory
MOST = 0.5  # of the machine's memory: so large a process that is killed was most likely killed for it


@dataclass
class Attempt:
    """A job that has its worker."""

    job: Job
    process: Process
    grant: Grant
    log: Log
    deadline: float | None
    alone: bool = True
    """Nothing else has run beside it so far."""
    kills: int = 0
    """What the kernel had ended for lack of memory when it began."""


class LocalEngine:
    """An `Engine` whose workers import user code from `root`, with `project` as their working folder.

    `state` holds the object store that both sides share. Jobs begin strictly in order: one that does not fit yet
    holds back those behind it, so none waits for ever. A worker serves many jobs, one after another; its death costs
    the job that it had.
    """

    def __init__(
        self,
        *,
        root: Path,
        project: Path,
        state: Path,
        threads: int,
        objects: str | None = None,
        store: ObjectStore | None = None,
        cpus: int | None = None,
        gpus: int | None = None,
        memory: int | None = None,
    ) -> None:
        self._place = (root, project, state, objects)
        self._usual = Kind(Path(sys.executable), threads)
        self._store: ObjectStore = store or FolderStore(state)
        self._free = capacity(cpus, gpus, memory)
        self._pipeline = ""
        self._queue: deque[Job] = deque()
        self._running: dict[str, Attempt] = {}
        self._idle: list[Process] = []
        self._happened: list[Happening] = []

    @property
    def pids(self) -> list[int]:
        """The workers': each one's process group has the same number."""
        return [
            *(attempt.process.pid for attempt in self._running.values()),
            *(one.pid for one in self._idle),
        ]

    def submit(self, job: Job) -> None:
        if not self._free.ever(job.needs):
            raise TooLarge(subject_of(job.task), asked(job.needs), self._free.words())
        self._queue.append(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        until = None if seconds is None else time.monotonic() + seconds
        self._begin()
        while not self._happened and self._running:
            if until is not None and time.monotonic() >= until:
                break
            self._look(until)
            self._begin()
        happened, self._happened = self._happened, []
        return happened

    def cancel(self, id: str) -> None:
        self._queue = deque(job for job in self._queue if job.id != id)
        self._happened = [one for one in self._happened if one.id != id]
        if attempt := self._running.pop(id, None):
            attempt.log.discard()
            attempt.process.kill()
            self._free.back(attempt.grant)

    def warm(self, pipeline: str = "") -> None:
        self._pipeline = pipeline or self._pipeline
        if not self._idle and not self._running:
            self._idle.append(self._start(self._usual))

    def close(self) -> None:
        for id in list(self._running):
            self.cancel(id)
        self._queue.clear()
        Process.end_all(self._idle)
        self._idle.clear()

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            while self._idle:
                self._idle.pop().kill()
        self.close()

    def _begin(self) -> None:
        """Give workers to the first jobs of the queue, as far as there is room."""
        while self._queue:
            job = self._queue[0]
            crowded = any(attempt.job.alone for attempt in self._running.values())
            if self._running and (job.alone or crowded):
                return
            grant = self._free.grant(job.needs)
            if grant is None:
                return
            self._queue.popleft()
            self._hand(job, grant)

    def _hand(self, job: Job, grant: Grant) -> None:
        frame = _frames.encode(Frame(task=job.task, memory=job.needs.memory))
        process = self._worker(self._kind(job, grant))
        if job.needs.pinned:
            local_limits.hold_to(process.pid, grant.cores)
        try:
            process.send(frame)
        except BrokenPipeError:  # it died while it was idle, and so had no job: another one takes its place
            process.kill()
            process = self._start(self._kind(job, grant))
            process.send(frame)
        deadline = time.monotonic() + job.timeout if job.timeout else None
        log = Log(self._store, lambda line: self._happened.append(Said(job.id, line)))
        for other in self._running.values():
            other.alone = False
        attempt = Attempt(job, process, grant, log, deadline, not self._running, local_limits.kills())
        self._running[job.id] = attempt
        self._happened.append(Started(job.id))

    def _kind(self, job: Job, grant: Grant) -> Kind:
        threads = job.needs.threads or self._usual.threads
        return Kind(job.python or self._usual.python, threads, grant.gpus)

    def _worker(self, kind: Kind) -> Process:
        """An idle worker of this kind, or a new one; one of another kind makes room for it."""
        for process in list(self._idle):
            if process.dead():
                self._idle.remove(process)
                process.kill()
        for process in self._idle:
            if process.kind == kind:
                self._idle.remove(process)
                return process
        if self._idle and len(self._idle) + len(self._running) >= self._free.size:
            Process.end_all([self._idle.pop(0)])
        return self._start(kind)

    def _start(self, kind: Kind) -> Process:
        root, project, state, objects = self._place
        return Process(root, project, state, kind=kind, objects=objects, pipeline=self._pipeline)

    def _look(self, until: float | None) -> None:
        """Wait for any worker, or for the nearest deadline."""
        now = time.monotonic()
        ends = [at for at in (until, *(one.deadline for one in self._running.values())) if at is not None]
        processes = {attempt.process: attempt for attempt in self._running.values()}
        with Waiting(processes) as waiting:
            ready = waiting.ready(max(0.0, min(ends) - now) if ends else None)
        for process in ready:
            self._hear(processes[process])
        now = time.monotonic()
        for attempt in list(self._running.values()):
            if attempt.deadline is not None and attempt.deadline <= now:
                self._time_out(attempt)

    def _hear(self, attempt: Attempt) -> None:
        """What a worker said, and its reply, if it has come."""
        process = attempt.process
        process.drain(attempt.log.feed)
        reply = process.reply()
        if reply is not None:
            process.drain(attempt.log.feed)
            self._end(attempt, reply)
        elif process.over:
            self._lose(attempt)

    def _end(self, attempt: Attempt, reply: bytes) -> None:
        digest = attempt.log.close()
        self._release(attempt, idle=True)
        done = _parse(reply)
        if isinstance(done, Raised):
            self._broke(attempt, as_error(done, digest), done.fault)
            return
        done = msgspec.structs.replace(done, log=digest) if hasattr(done, "log") else done
        self._happened.append(Ended(attempt.job.id, done))

    def _lose(self, attempt: Attempt) -> None:
        """What is known of a worker that ended in the middle of a job; what it had started ends with it."""
        process, log = attempt.process, attempt.log
        until = time.monotonic() + LAST_WORDS
        while process.drain(log.feed) and time.monotonic() < until and not process.dead():
            time.sleep(LAST_WORDS / 20)
        code = process.kill()
        digest = log.close()
        self._release(attempt, idle=False)
        fault = self._fault(attempt, code, process.peak)
        self._broke(attempt, _lost(attempt, code, digest, fault), fault)

    def _fault(self, attempt: Attempt, code: int, peak: int) -> Fault:
        """Whether a dead process lacked memory: by the kernel's own count, or by what it had taken."""
        allowed = attempt.job.needs.memory
        if code == -9 and (local_limits.kills() > attempt.kills or peak > MOST * self._free.total):
            return "memory"
        return "memory" if code < 0 and allowed and peak > NEARLY * allowed else "lost"

    def _time_out(self, attempt: Attempt) -> None:
        attempt.process.drain(attempt.log.feed)
        attempt.process.kill()
        digest = attempt.log.close()
        self._release(attempt, idle=False)
        job = attempt.job
        error = StepTimedOut(subject_of(job.task), job.timeout or 0.0, tuple(attempt.log.tail), digest)
        self._broke(attempt, error, "timeout")

    def _release(self, attempt: Attempt, *, idle: bool) -> None:
        del self._running[attempt.job.id]
        if idle:
            if attempt.job.needs.pinned:
                local_limits.hold_to(attempt.process.pid, self._free.every)
            self._idle.append(attempt.process)
        self._free.back(attempt.grant)

    def _broke(self, attempt: Attempt, error: NoriaError, fault: Fault) -> None:
        self._happened.append(Broke(attempt.job.id, error, fault, attempt.alone))


def _lost(attempt: Attempt, code: int, log: Digest | None, fault: Fault) -> NoriaError:
    subject, tail = subject_of(attempt.job.task), tuple(attempt.log.tail)
    if fault == "memory":
        return LackedMemory(subject, attempt.job.needs.memory, attempt.process.peak, tail, log)
    return WorkerLost(
        subject=subject,
        signal=-code if code < 0 else None,
        exit_code=code if code >= 0 else None,
        tail=tail,
        log=log,
    )


def _parse(reply: bytes) -> Done | Raised:
    answer = _replies.decode(reply)
    if answer.protocol != PROTOCOL:
        raise WrongProtocol(theirs=answer.protocol, ours=PROTOCOL)
    return answer.done


_frames = msgspec.msgpack.Encoder()
_replies = msgspec.msgpack.Decoder(Reply)
