"""Jobs on the nodes of a Ray cluster: Ray says where and when, a worker of Noria's own does the work there."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from noria.adapters import ray_cluster
from noria.adapters.local_errors import NoInterpreter, as_error, subject_of
from noria.adapters.ray_cluster import Cluster
from noria.adapters.ray_errors import NotOnNode
from noria.adapters.ray_nodes import blind_nodes, check_nodes
from noria.adapters.ray_room import Room
from noria.adapters.ray_seat import LayOut, sit
from noria.adapters.ray_spool import Copies
from noria.adapters.ray_troubles import trouble
from noria.adapters.ray_wanted import Code, Wanted
from noria.adapters.ray_wire import (
    Began,
    Errand,
    Failed,
    Figures,
    Finished,
    Ground,
    Line,
    Word,
    decode_words,
    encode_errand,
)
from noria.errors import NoriaError
from noria.ports.engine import Broke, Ended, Happening, Job, Said, Started
from noria.ports.objects import ObjectStore
from noria.records.needs import Fault
from noria.records.tasks import Raised

WAITING = 5.0  # s between two looks whether a node for each waiting job is still there
MISSED = 60.0  # s for which a job waits for a node that is gone: as long as one takes to start again
AHEAD = 64  # messages of a job that nobody has read, before it waits


@dataclass(eq=False)
class Attempt:
    """A job that Ray has: waiting, or on a node."""

    job: Job
    node: str = ""
    """Where it runs; empty while it waits."""
    alone: bool = True
    """Nothing else of this engine has run beside it so far."""
    missed: float = float("inf")
    """Since when no node has what it needs."""


@dataclass(frozen=True)
class Joined:
    """A cluster, and what its nodes are told and have."""

    cluster: Cluster
    ground: Ground
    room: Room
    seat: Any
    """The task that does a job, known to Ray once."""


class RayEngine:
    """An `Engine` on a Ray cluster, joined with the first job.

    Each job is a Ray task that holds what the job needs, on one node; which of those that wait is next there, Ray
    decides. `state` is the driver's state folder, `objects` the URL of the store that all nodes share. A Ray that was
    started for this process has its files; other nodes get the source tree by its digest.
    """

    def __init__(
        self,
        wanted: Wanted,
        code: Code,
        *,
        state: Path,
        objects: str,
        store: ObjectStore,
        threads: int,
        missed: float = MISSED,
    ) -> None:
        self._wanted, self._code = wanted, code
        self._state, self._objects, self._store, self._threads = state, objects, store, threads
        self._missed = missed
        self._at: Joined | None = None
        self._attempts: dict[str, Attempt] = {}
        self._streams: dict[Any, str] = {}
        """What each job says, as Ray hands it over: which can be waited for, all at once."""
        self._held: deque[Job] = deque()
        """Jobs behind one that is to run alone and waits for its node."""
        self._next_look = 0.0
        """When to look again whether jobs that wait have a node: others may talk without a pause."""
        self._happened: list[Happening] = []
        self._copies = Copies(state)

    def submit(self, job: Job) -> None:
        if job.id in self._attempts or any(other.id == job.id for other in self._held):
            raise ValueError(f"job {job.id!r} is not over yet")
        room = self._join().room
        if not self._wanted.grows and not room.ever(job.needs):
            raise room.too_large(job)
        if self._one_waits_alone():
            self._held.append(job)
        else:
            self._launch(job)

    def wait(self, seconds: float | None = None) -> list[Happening]:
        until = float("inf") if seconds is None else time.monotonic() + seconds
        while not self._happened and self._attempts:
            self._look(until)
            if time.monotonic() >= until:
                break
        happened, self._happened = self._happened, []
        return happened

    def cancel(self, id: str) -> None:
        self._held = deque(job for job in self._held if job.id != id)
        self._happened = [one for one in self._happened if one.id != id]
        if id in self._attempts:
            self._end(id)
            self._copies.keep(id)
            self._launch_held()

    def warm(self, pipeline: str = "") -> None:
        """Nothing: where the first job will run is not known before there is one."""

    def nodes(self) -> list[str]:
        """What each node has in all, once all have been asked whether they can run steps."""
        return self._join().room.words()

    def blind(self, folder: Path) -> list[str]:
        """Nodes that do not see a folder of this machine."""
        return blind_nodes(self._join().cluster, folder)

    def close(self) -> None:
        self._held.clear()
        if self._at is not None and self._at.cluster.lost:
            self._attempts.clear()  # nobody is left who could be told to end them: their nodes end them
        for id in list(self._attempts):
            self.cancel(id)
        if self._at is not None:
            ray_cluster.leave(self._at.cluster)
            self._at = None

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # joining

    def _join(self) -> Joined:
        if self._at is not None:
            return self._at
        cluster = ray_cluster.join(self._wanted.address, self._wanted.limits)
        try:
            ground = self._grounded(cluster)
            check_nodes(cluster, ground, self._store)
        except BaseException:
            ray_cluster.leave(cluster)
            raise
        import ray

        self._at = Joined(cluster, ground, Room(cluster), ray.remote(_seat))
        return self._at

    def _grounded(self, cluster: Cluster) -> Ground:
        return Ground(
            tree=None if cluster.own else self._code.tree(),
            root=str(self._code.root),
            project=str(self._code.project),
            objects=self._objects,
            state=str(self._state),
            driver=cluster.here,
            threads=self._threads,
            variables=dict(self._wanted.variables),
        )

    # beginning

    def _launch(self, job: Job) -> None:
        errand = Errand(
            id=job.id,
            task=job.task,
            needs=job.needs,
            python=str(job.python) if job.python else None,
            timeout=job.timeout,
            files=job.files,
            ground=self._joined().ground,
        )
        task = self._joined().seat.options(
            name=f"noria {subject_of(job.task)}",
            num_returns="streaming",
            max_retries=0,  # who wraps this engine decides, by kind of fault
            _generator_backpressure_num_objects=AHEAD,
            **self._options(job),
        )
        self._streams[task.remote(encode_errand(errand), self._code.lay_out)] = job.id
        self._attempts[job.id] = Attempt(job)

    def _options(self, job: Job) -> dict[str, Any]:
        needs = job.needs
        options = {"num_cpus": needs.cpus, "num_gpus": needs.gpus, "memory": needs.memory}
        node = self._joined().room.roomiest(needs) if job.alone else None
        if node is None:  # or one that is yet to come, and has nobody else at first
            return options
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        strategy = NodeAffinitySchedulingStrategy(node.id, soft=False)
        return {**options, "num_cpus": node.cpus, "scheduling_strategy": strategy}

    def _one_waits_alone(self) -> bool:
        """Then nothing more is handed to Ray, which would let small jobs pass a large one without an end."""
        return any(one.job.alone and not one.node for one in self._attempts.values())

    def _launch_held(self) -> None:
        while self._held and not self._one_waits_alone():
            self._launch(self._held.popleft())

    def _joined(self) -> Joined:
        if self._at is None:
            raise RuntimeError("the engine has had no job yet")
        return self._at

    # hearing

    def _look(self, until: float) -> None:
        """Wait for the first word of any job; while some wait for a node, look now and then whether it is there."""
        import ray

        some_wait = any(not one.node for one in self._attempts.values())
        rest = min(until - time.monotonic(), WAITING if some_wait else float("inf"))
        streams, cluster = list(self._streams), self._joined().cluster
        ready = cluster.wait(streams, until=time.monotonic() + rest)
        if len(streams) > 1 and ready:
            ready, _ = ray.wait(streams, num_returns=len(streams), timeout=0, fetch_local=False)
        for stream in ready:
            if stream in self._streams:  # a word before may have ended others
                self._hear(stream, self._streams[stream])
        if some_wait and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + WAITING
            self._give_up_hopeless()

    def _hear(self, stream: Any, id: str) -> None:
        import ray
        from ray.exceptions import RayError

        attempt = self._attempts[id]
        try:
            words = decode_words(ray.get(next(stream)))
        except (RayError, StopIteration, ImportError) as error:
            self._joined().cluster.check(now=True)  # with its head, all of its tasks end: no fault of theirs
            name = self._joined().room.name(attempt.node)
            self._broke(id, *trouble(attempt.job, error, name))
            return
        for word in words:
            self._take(attempt, word)

    def _take(self, attempt: Attempt, word: Word) -> None:
        id = attempt.job.id
        match word:
            case Began(node=node):
                self._began(attempt, node)
            case Line(text=text):
                self._happened.append(Said(id, text))
            case Figures():
                self._copies.add(id, word)
            case Finished(done=done):
                self._over(id)
                self._copies.drop(id)
                self._happened.append(Ended(id, done))
            case Failed(raised=raised):
                self._broke(id, self._error(attempt, raised), raised.fault)

    def _error(self, attempt: Attempt, raised: Raised) -> NoriaError:
        job, joined = attempt.job, self._joined()
        if raised.code != NoInterpreter.code or not job.python or attempt.node == joined.ground.driver:
            return as_error(raised)
        problem = raised.error.rpartition(": ")[2]
        return NotOnNode(subject_of(job.task), str(job.python), problem, joined.room.name(attempt.node))

    def _began(self, attempt: Attempt, node: str) -> None:
        beside = [one for one in self._attempts.values() if one.node == node]
        attempt.node, attempt.alone = node, not beside
        for other in beside:
            other.alone = False
        self._happened.append(Started(attempt.job.id, self._joined().room.name(node)))
        self._launch_held()

    def _broke(self, id: str, error: NoriaError, fault: Fault) -> None:
        attempt = self._attempts[id]
        if not attempt.node:
            self._happened.append(Started(id))
        self._over(id)
        self._copies.keep(id)
        self._happened.append(Broke(id, error, fault, attempt.alone))
        self._launch_held()

    def _give_up_hopeless(self) -> None:
        """Jobs for which there has been no node for too long; one that was lost may come back."""
        if self._wanted.grows:
            return
        now, room = time.monotonic(), self._joined().room
        for id, attempt in list(self._attempts.items()):
            if attempt.node or room.now(attempt.job.needs):
                attempt.missed = float("inf")
                continue
            attempt.missed = min(attempt.missed, now)
            if now - attempt.missed >= self._missed:
                self._end(id, forget=False)
                self._broke(id, room.too_large(attempt.job), "code")

    # ending

    def _end(self, id: str, *, forget: bool = True) -> None:
        """End a job where it is: Ray kills the process that holds its place, and with it goes all that it started."""
        import ray

        for stream in [stream for stream, of in self._streams.items() if of == id]:
            ray.cancel(stream, force=True)
        if forget:
            self._over(id)

    def _over(self, id: str) -> None:
        del self._attempts[id]
        self._streams = {stream: of for stream, of in self._streams.items() if of != id}


def _seat(errand: bytes, lay_out: LayOut) -> Any:
    """The task itself, on its node."""
    import ray

    yield from sit(errand, str(ray.get_runtime_context().get_node_id()), lay_out)
