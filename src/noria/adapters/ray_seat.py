"""One job on a node of a Ray cluster: what Ray granted is held by this process, and a worker of its own does the job.

The worker is the local engine's: one process bound to one source tree, with pipes that end it when this process ends,
however that happens. So limits, logs, time-outs and the end of all that a step has started are the same everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from noria.adapters import local_limits
from noria.adapters.local_capacity import VISIBLE, usable_cores
from noria.adapters.local_engine import LocalEngine
from noria.adapters.local_errors import as_raised
from noria.adapters.objects import open_objects
from noria.adapters.ray_cluster import BREAKPOINT
from noria.adapters.ray_cores import claimed
from noria.adapters.ray_guard import Guard
from noria.adapters.ray_node import node_folder, tidy
from noria.adapters.ray_spool import Tail
from noria.adapters.ray_wire import (
    Began,
    Errand,
    Failed,
    Finished,
    Ground,
    Line,
    Word,
    decode_errand,
    encode_words,
)
from noria.errors import NoriaError
from noria.ports.engine import Broke, Ended, Happening, Job, Said, Started
from noria.ports.objects import ObjectStore
from noria.records.base import Digest
from noria.records.needs import Needs
from noria.records.tasks import RunStep

LayOut = Callable[[Digest, ObjectStore, Path], Path]
"""Makes the files of a source tree, once, in a folder; where they lie."""

PLENTY = 1 << 62  # bytes: Ray has granted the memory, and the engine of one job has nothing to share out
GLANCE = 0.5  # s between two looks at what a step logs: a live figure, and a few system calls


@dataclass
class Kept:
    """The worker that this process has from the job before, and what it is good for."""

    ground: Ground
    kind: tuple[object, ...]
    engine: LocalEngine
    guard: Guard | None = None

    def guarded(self) -> None:
        """Have the present worker's group end with this process."""
        pids = self.engine.pids
        if self.guard and self.guard.group not in pids:
            self.guard.dismiss()
            self.guard = None
        if pids and self.guard is None:
            self.guard = Guard(pids[0])

    def close(self) -> None:
        self.engine.close()
        self.guarded()


class _Here:
    """Of this process, which Ray gives to one driver's jobs, one after another."""

    kept: Kept | None = None


_here = _Here()


def sit(told: bytes, node: str, lay_out: LayOut) -> Iterator[bytes]:
    """Do one job and say what happens, in the words of `ray_wire`."""
    errand = decode_errand(told)
    yield encode_words([Began(node=node)])
    os.environ.pop(BREAKPOINT, None)  # Ray's debugger cannot be reached from a worker that Ray does not know
    os.environ.update(errand.ground.variables)
    remote = node != errand.ground.driver
    state = node_folder() if remote else Path(errand.ground.state)
    tail = Tail(state, errand.task) if remote and isinstance(errand.task, RunStep) else None
    try:
        for words in _performed(errand, state, lay_out, tail):
            yield encode_words(words)
    except NoriaError as error:
        yield encode_words([Failed(raised=as_raised(error, "code"))])


def _performed(errand: Errand, state: Path, lay_out: LayOut, tail: Tail | None) -> Iterator[list[Word]]:
    kept = _kept(errand, state, lay_out)
    engine = kept.engine
    with _cores(errand.needs) as cores:
        engine.submit(_job(errand))
        over = False
        while not over:
            happened = engine.wait(GLANCE if tail else None)
            kept.guarded()
            if cores and any(isinstance(one, Started) for one in happened):
                _hold(engine, cores)
            over = any(isinstance(one, Ended | Broke) for one in happened)
            figures = tail.news(over=over) if tail else []
            words: list[Word] = [*figures, *_words(happened)]
            if words:
                yield words
        if cores:
            _hold(engine, usable_cores())


def _cores(needs: Needs) -> AbstractContextManager[Sequence[int]]:
    """Those that the job's process is held to; none where it is not."""
    return claimed(needs.cpus, node_folder() / "cores") if needs.pinned else nullcontext(())


def _hold(engine: LocalEngine, cores: Iterable[int]) -> None:
    for pid in engine.pids:
        local_limits.hold_to(pid, cores)


def _kept(errand: Errand, state: Path, lay_out: LayOut) -> Kept:
    """An engine for one job, with the worker of the job before where it is of the same kind."""
    needs, ground = errand.needs, errand.ground
    gpus = os.environ.get(VISIBLE) if needs.gpus else None
    kind = (errand.python, needs.threads, needs.cpus, needs.memory is not None, gpus)
    kept = _here.kept
    if kept and (kept.ground, kept.kind) == (ground, kind):
        return kept
    _here.kept = None
    if kept:
        kept.close()
    _here.kept = Kept(ground, kind, _opened(ground, needs.cpus, state, lay_out))
    return _here.kept


def _opened(ground: Ground, cpus: int, state: Path, lay_out: LayOut) -> LocalEngine:
    store, _ = open_objects(ground.objects, state)
    if ground.tree:
        tidy(node_folder())
        root = lay_out(ground.tree, store, state / "code")
        os.utime(root)  # used just now
    else:
        root = Path(ground.root)
    return LocalEngine(
        root=root,
        project=root if ground.tree else Path(ground.project),
        state=state,
        objects=ground.objects,
        store=store,
        threads=ground.threads,
        cpus=cpus,
        memory=PLENTY,
    )


def _job(errand: Errand) -> Job:
    """For the local engine, which would hold each node's first job and its second to the same cores."""
    python = Path(errand.python) if errand.python else None
    needs = replace(errand.needs, pinned=False)
    return Job(
        id=errand.id,
        task=errand.task,
        needs=needs,
        python=python,
        timeout=errand.timeout,
        files=errand.files,
    )


def _words(happened: Iterable[Happening]) -> Iterator[Word]:
    for one in happened:
        match one:
            case Said(line=line):
                yield Line(text=line)
            case Ended(done=done):
                yield Finished(done=done)
            case Broke(error=error, fault=fault):
                yield Failed(raised=as_raised(error, fault))
