"""Jobs in worker processes of this machine, side by side as far as its cores and memory reach."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import msgspec

from noria.adapters import local_limits
from noria.adapters.bucket_errors import BucketUnavailable
from noria.adapters.folder import FolderStore
from noria.adapters.local_capacity import Grant, asked, gpus_here, machine, usable_cores
from noria.adapters.local_errors import (
    NoInterpreter,
    StepTimedOut,
    TooLarge,
    WrongProtocol,
    as_error,
    lost,
    subject_of,
)
from noria.adapters.local_log import Log
from noria.adapters.local_process import Kind, Place, Process, Watch
from noria.errors import NoriaError
from noria.ports.engine import Broke, Ended, Happening, Job, Said, Started
from noria.ports.objects import ObjectStore
from noria.records.needs import Fault
from noria.records.tasks import PROTOCOL, Done, Frame, Raised, Reply

LAST_WORDS = 0.2  # s that a dead worker's descendants get to finish a line, once it is gone
COUNTED = (
    1.0  # s for which the kernel's count of processes that lacked memory is believed: reading it takes 35 us
)


@dataclass(eq=False)
class Attempt:
    """A job that has its worker."""

    job: Job
    process: Process
    grant: Grant
    log: Log
    deadline: float
    alone: bool
    """Nothing else has run beside it so far."""
    kills: int
    """What the kernel had ended for lack of memory when it began."""


class LocalEngine:
    """An `Engine` whose workers import user code from `root`, with `project` as their working folder.

    `state` holds the object store that both sides share. Jobs begin in order; where one must wait, those behind it may
    begin with what it lacks nothing of, and leave its share of the rest: so none waits for ever. A worker serves many
    jobs, one after another; its death costs the job that it had.
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
        self._place = Place(root, project, state, objects)
        self._usual = Kind(Path(sys.executable), threads)
        self._store: ObjectStore = store or FolderStore(state)
        self._all, self._free = machine(cpus, gpus, memory), machine(cpus, gpus, memory)
        self._gpus_known = gpus is not None
        self._cores = usable_cores()
        self._kills = (0, float("-inf"))
        self._pipeline = ""
        self._watch = Watch()
        self._queue: deque[Job] = deque()
        self._running: dict[str, Attempt] = {}
        self._idle: list[Process] = []
        self._leaving: list[Process] = []
        self._happened: list[Happening] = []

    @property
    def pids(self) -> list[int]:
        """The workers: each one's process group has the same number."""
        busy = [attempt.process for attempt in self._running.values()]
        return [process.pid for process in (*busy, *self._idle, *self._leaving)]

    def submit(self, job: Job) -> None:
        if job.id in self._running or any(other.id == job.id for other in self._queue):
            raise ValueError(f"job {job.id!r} is not over yet")
        if job.needs.gpus and not self._gpus_known:
            self._gpus_known, self._all.gpus, self._free.gpus = True, gpus_here(), gpus_here()
        if self._all.grant(job.needs) is None:
            raise TooLarge(subject_of(job.task), asked(job.needs), self._all.words())
        self._queue.append(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        until = float("inf") if seconds is None else time.monotonic() + seconds
        self._begin()
        while not self._happened and self._running:
            self._look(until)
            self._begin()
            if time.monotonic() >= until:
                break
        happened, self._happened = self._happened, []
        return happened

    def cancel(self, id: str) -> None:
        self._queue = deque(job for job in self._queue if job.id != id)
        self._happened = [one for one in self._happened if one.id != id]
        if attempt := self._running.get(id):
            attempt.log.discard()
            self._release(attempt, keep=False)

    def warm(self, pipeline: str = "") -> None:
        self._pipeline = pipeline or self._pipeline
        if not self._idle and not self._running:
            self._idle.append(self._start(self._usual))

    def close(self) -> None:
        for id in list(self._running):
            self.cancel(id)
        self._queue.clear()
        while self._idle:
            process = self._idle.pop()
            if process.served:
                self._retire(process)
            else:  # warmed for nothing: it may still be importing, and nobody waits for that
                process.kill()
        while self._leaving:
            self._look(float("inf"))

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            while self._idle:
                self._idle.pop().kill()
        self.close()

    def _begin(self) -> None:
        """Give workers to jobs of the queue, as far as there is room."""
        if any(attempt.job.alone for attempt in self._running.values()):
            return
        left, place = self._free, 0
        while place < len(self._queue) and left.cores:
            job = self._queue[place]
            if job.alone and self._running:
                return
            grant = left.grant(job.needs)
            if grant is None:
                left = left.beside(job.needs)
                place += 1
                continue
            del self._queue[place]
            self._free.take(grant)
            if left is not self._free:
                left.take(grant)
            self._hand(job, grant)
            if job.alone:
                return

    def _hand(self, job: Job, grant: Grant) -> None:
        kind = Kind(
            job.python or self._usual.python,
            job.needs.threads or self._usual.threads,
            grant.gpus,
            limited=job.needs.memory is not None,
        )
        try:
            process = self._handed(job, kind)
        except OSError as error:
            self._free.back(grant)
            problem = NoInterpreter(subject_of(job.task), str(kind.python), error.strerror or str(error))
            self._happened += [Started(job.id), Broke(job.id, problem, "code")]
            return
        if job.needs.pinned:
            local_limits.hold_to(process.pid, grant.cores)
        deadline = time.monotonic() + job.timeout if job.timeout else float("inf")
        log = Log(self._store, lambda line: self._happened.append(Said(job.id, line)))
        for other in self._running.values():
            other.alone = False
        attempt = Attempt(job, process, grant, log, deadline, not self._running, self._kills_before())
        self._running[job.id] = process.attempt = attempt
        self._happened.append(Started(job.id))

    def _handed(self, job: Job, kind: Kind) -> Process:
        """A worker that has the job."""
        frame = _frames.encode(Frame(task=job.task, memory=job.needs.memory, files=job.files))
        process = self._worker(kind)
        try:
            process.send(frame)
        except BrokenPipeError:  # it died while it was idle, and so had no job: another one takes its place
            process.kill()
            process = self._start(kind)
            process.send(frame)
        return process

    def _worker(self, kind: Kind) -> Process:
        """An idle worker of this kind, or a new one. One more than there are cores may be there, so that a fan-out
        does not cost the worker of the steps before and behind it; then the one that was idle longest has to go."""
        for process in reversed(self._idle):
            if process.kind == kind:
                self._idle.remove(process)
                return process
        if self._idle and len(self._idle) + len(self._running) > len(self._all.cores):
            self._retire(self._idle.pop(0))
        return self._start(kind)

    def _start(self, kind: Kind) -> Process:
        return Process(self._place, kind, self._watch, pipeline=self._pipeline)

    def _retire(self, process: Process) -> None:
        process.leave()
        self._leaving.append(process)

    def _look(self, until: float) -> None:
        """Wait for any worker, or for the nearest deadline."""
        ends = [until, *(one.deadline for one in self._running.values())]
        nearest = min(*ends, *(one.leaves_by for one in self._leaving))
        seconds = None if nearest == float("inf") else max(0.0, nearest - time.monotonic())
        for process in self._watch.ready(seconds):
            if isinstance(process.attempt, Attempt):
                self._hear(process.attempt)
            else:
                self._hear_idle(process)
        now = time.monotonic()
        for attempt in [one for one in self._running.values() if one.deadline <= now]:
            self._time_out(attempt)
        for process in [one for one in self._leaving if one.leaves_by <= now]:
            self._leaving.remove(process)
            process.kill()

    def _hear(self, attempt: Attempt) -> None:
        """What a worker said, and its reply, if it has come."""
        process = attempt.process
        process.push()
        process.drain(attempt.log.feed)
        reply = process.reply()
        if reply is not None:
            process.drain(attempt.log.feed)
            self._end(attempt, reply)
        elif process.over:
            self._lose(attempt)

    def _hear_idle(self, process: Process) -> None:
        """What a worker says when it has no job is nobody's; when it ends, its group does."""
        process.drain(lambda part: None)
        if process.dead():
            for place in (self._idle, self._leaving):
                if process in place:
                    place.remove(process)
            process.kill()

    def _end(self, attempt: Attempt, reply: bytes) -> None:
        done = _parse(reply)
        digest = None
        if isinstance(done, Raised) and done.code == BucketUnavailable.code:
            attempt.log.discard()  # the worker has waited for its place in vain; what it printed has been handed on
        else:
            digest = attempt.log.close()
        if isinstance(done, Raised):
            self._release(attempt, keep=not attempt.process.accompanied())
            self._broke(attempt, as_error(done, digest), done.fault)
            return
        self._release(attempt, keep=True)
        done = msgspec.structs.replace(done, log=digest) if digest and hasattr(done, "log") else done
        self._happened.append(Ended(attempt.job.id, done))

    def _lose(self, attempt: Attempt) -> None:
        """What is known of a worker that ended in the middle of a job; what it had started ends with it."""
        process, log = attempt.process, attempt.log
        until = time.monotonic() + LAST_WORDS
        while process.drain(log.feed) and time.monotonic() < until and not process.dead():
            time.sleep(LAST_WORDS / 20)
        code = process.kill()
        digest = log.close()
        self._release(attempt, keep=False)
        starved = local_limits.kills() > attempt.kills
        error, fault = lost(attempt.job, code, process.peak, tuple(log.tail), digest, starved=starved)
        self._broke(attempt, error, fault)

    def _time_out(self, attempt: Attempt) -> None:
        attempt.process.drain(attempt.log.feed)
        attempt.process.kill()
        digest = attempt.log.close()
        self._release(attempt, keep=False)
        job = attempt.job
        error = StepTimedOut(subject_of(job.task), job.timeout or 0.0, tuple(attempt.log.tail), digest)
        self._broke(attempt, error, "timeout")

    def _release(self, attempt: Attempt, *, keep: bool) -> None:
        """Give back what a job had; its worker goes on or ends."""
        process = attempt.process
        del self._running[attempt.job.id]
        process.attempt = None
        if keep:
            if attempt.job.needs.pinned:
                local_limits.hold_to(process.pid, self._cores)
            self._idle.append(process)
        else:
            process.kill()
        self._free.back(attempt.grant)

    def _broke(self, attempt: Attempt, error: NoriaError, fault: Fault) -> None:
        self._happened.append(Broke(attempt.job.id, error, fault, attempt.alone))

    def _kills_before(self) -> int:
        count, at = self._kills
        if time.monotonic() - at > COUNTED:
            count = local_limits.kills()
            self._kills = count, time.monotonic()
        return count


def _parse(reply: bytes) -> Done | Raised:
    answer = _replies.decode(reply)
    if answer.protocol != PROTOCOL:
        raise WrongProtocol(theirs=answer.protocol, ours=PROTOCOL)
    return answer.done


_frames = msgspec.msgpack.Encoder()
_replies = msgspec.msgpack.Decoder(Reply)
