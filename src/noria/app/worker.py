"""`python -m noria.app.worker`: a process that holds the user's code and serves one task after another.

Whatever user code prints, from Python, from C or from a child, goes to file descriptors 1 and 2, which the driver
reads; tasks and replies have pipes of their own. When the driver is gone, the whole process group is.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import signal
import sys
import threading
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import msgspec

from noria import errors
from noria.adapters.frames import read_frame, write_frame
from noria.adapters.local_limits import held_to
from noria.app.leaving import flush, leave
from noria.app.telling import on_stderr
from noria.errors import Bug, NoriaError, StepFailed
from noria.graph.errors import SourceChanged
from noria.graph.imported import Imported
from noria.records.needs import Fault
from noria.records.tasks import (
    PROTOCOL,
    Alter,
    Answer,
    Divide,
    Done,
    Frame,
    Predict,
    Predicted,
    Quicken,
    Raised,
    Reply,
    RunStep,
    Score,
    Sign,
    Signed,
    StepDone,
    Task,
)

if TYPE_CHECKING:
    from noria.artifacts import Artifacts
    from noria.declare import Resolved
    from noria.graph.answer import Graph
    from noria.ports.objects import ObjectStore
    from noria.ports.outside import Outside
    from noria.ports.slots import Slots
    from noria.records.versions import ServingGraph, Version
    from noria.serving.served import Served

SPOOL = "spool"  # in the project's state: what steps log, until it is stored
SCRATCH = "scratch"  # beside the objects, so that files are laid out as links to them
F_SETSIG = 10  # Linux's number; the module fcntl has no name for it
FRAMES = 6  # of a traceback in an error: the user's first and those nearest to the fault
MESSAGE = 1000  # characters of an exception's own words in an error; its log has all of them
FAMILIES = frozenset(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, NoriaError) and kind is not NoriaError
)


@dataclass(eq=False)
class UserCodeRaised(StepFailed):
    code: ClassVar[str] = "STEP-RAISED"
    what: ClassVar[str] = "{subject} raised {error}{where}"
    next: ClassVar[str] = "{remedy}"
    subject: str
    error: str
    where: str
    remedy: str = "mend it and run again: the steps that finished are reused"


@dataclass(eq=False)
class OtherProtocol(Bug):
    code: ClassVar[str] = "TASK-PROTOCOL"
    what: ClassVar[str] = "a task of protocol {theirs} came to a worker of protocol {ours}"
    next: ClassVar[str] = "install one version of Noria, and run again"
    theirs: int
    ours: int


def main(words: list[str]) -> None:
    tasks, replies, life = (int(word) for word in words[:3])
    root, state, pipeline, objects = words[3:7]
    end_with_driver(life)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    imported = Imported(Path(root))
    imported.follow()
    worker = Worker(Path(root), Path(state), objects or None, imported)
    if pipeline:
        worker.warm(pipeline)
    while (body := read_frame(tasks)) is not None:
        write_frame(replies, _encoder.encode(Reply(done=worker.answer(body))))
    leave()


def end_with_driver(life: int) -> None:
    """Kill this process group when the last writer of `life` is gone, which nobody ever writes to.

    Where the kernel can do it (Linux), it does: no code that holds the GIL, in a loop in C for hours, keeps this
    process from ending. A thread does the same everywhere.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may refuse; then the thread is alone
            fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgid(0))
            fcntl.fcntl(life, F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    threading.Thread(target=_watch, args=(life,), name="noria-life", daemon=True).start()


def _watch(life: int) -> None:
    poll = select.poll()
    poll.register(life, select.POLLIN)
    poll.poll()  # at once, too, when the driver was gone before anybody watched
    os.killpg(0, signal.SIGKILL)


class Worker:
    """User code and store of one process."""

    def __init__(self, root: Path, state: Path, objects: str | None, imported: Imported) -> None:
        self._root = root
        self._state = state
        self._objects = objects
        self._imported = imported
        self._home = Path.cwd()
        self._process = os.getpid()
        self._output = os.dup(1)
        self._streams = sys.stdout, sys.stderr
        self._pipelines: dict[str, Resolved | BaseException] = {}
        self._shelf: Artifacts | None = None
        self._opened: tuple[ObjectStore, Slots] | None = None
        self._open: tuple[ServingGraph, Graph] | None = None
        self._served: tuple[Version, Served] | None = None

    def answer(self, body: bytes) -> Done | Raised:
        """Carry out a task; whatever it raises becomes an answer, too."""
        subject, memory = "the task", None
        try:
            frame = _decoder.decode(body)
            if frame.protocol != PROTOCOL:
                raise OtherProtocol(theirs=frame.protocol, ours=PROTOCOL)
            subject, memory = _subject(frame.task), frame.memory
            with held_to(memory), self._imported.held_to(frame.files):
                done: Done | Raised = self._perform(frame.task)
        except (
            BaseException
        ) as error:  # user code may raise anything, SystemExit and KeyboardInterrupt among it
            done = _raised(error, subject, self._root, memory)
        if os.getpid() != self._process:  # a fork that came back out of user code: its parent answers
            os._exit(0)
        self._put_back()
        return done

    def warm(self, pipeline: str) -> None:
        """Import what the first task will need, while the driver is busy itself."""
        with contextlib.suppress(BaseException):  # it is kept, and raised by the task that needs the pipeline
            if self._resolved(pipeline).predict is not None:
                import noria.graph.quicken
        import noria.pipeline.perform  # noqa: F401

        gc.freeze()  # what was imported stays: a full collection looks at all of it, for 0.1 s beside scikit-learn

    def _perform(self, task: Task) -> Done:
        if isinstance(task, Predict):
            return self._predict(task)
        resolved = self._resolved(
            task.graph.pipeline if isinstance(task, Sign | Quicken | Answer) else task.pipeline
        )
        if isinstance(task, Divide):
            from noria.pipeline.divide import divide

            return divide(task, resolved, self._artifacts())
        if isinstance(task, RunStep):
            return self._step(task, resolved)
        if isinstance(task, Alter):
            from noria.graph.alter import alter

            return alter(task, resolved, self._artifacts())
        from noria.graph.evaluate import answer, score
        from noria.pipeline.seeds import seed_generators

        seed_generators(task.seed if isinstance(task, Sign) else 0)
        if isinstance(task, Sign):
            return self._signed(task, resolved)
        if isinstance(task, Quicken):
            from noria.graph.quicken import quicken

            return quicken(task, resolved, self._artifacts(), self._graph(task.graph, resolved))
        if isinstance(task, Answer):
            return answer(task, resolved, self._artifacts(), self._graph(task.graph, resolved))
        return score(task, resolved, self._artifacts())

    def _signed(self, task: Sign, resolved: Resolved) -> Signed:
        """The signature, of a graph whose predict gives a row alone the answer that it has among others."""
        from noria.graph.rows import visible
        from noria.graph.signature import sign
        from noria.pipeline.alone import check_answers

        graph, artifacts = self._graph(task.graph, resolved), self._artifacts()
        signed = sign(task, resolved, artifacts, graph)
        if resolved.predict is not None:
            rows = visible(artifacts.table(task.rows), resolved.data)
            check_answers(graph, resolved.predict, rows, resolved.data.key)
        return signed

    def _step(self, task: RunStep, resolved: Resolved) -> StepDone:
        """A step, with what it may call while it runs; what it read, logged and showed goes with its result."""
        from noria.inside.context import Inside, performing
        from noria.inside.series import collected
        from noria.inside.spool import Spool
        from noria.pipeline.perform import perform

        artifacts = self._artifacts()
        name = task.step + "".join(f"[{number}]" for number in task.item)
        inside = Inside(
            run=task.run,
            step=name,
            project=self._home,
            artifacts=artifacts,
            slots=self._places()[1],
            spool=Spool(self._state / SPOOL / task.run, name),
            door=self._outside,
            role=next(step.role for step in resolved.order if step.name == task.step),
            fingerprint=task.fingerprint,
        )
        with performing(inside):
            done = perform(task, resolved, artifacts)
            inside.settle()
        series = collected(inside.spool, artifacts)
        inside.spool.drop()
        data = done.data and msgspec.structs.replace(done.data, sources=tuple(inside.sources))
        return msgspec.structs.replace(done, data=data, series=series, card=tuple(inside.exhibits))

    def _predict(self, task: Predict) -> Predicted:
        """A part of a batch; the version stays open for the next."""
        from noria.adapters.places import open_place
        from noria.app.batch.opened import open_served
        from noria.app.batch.part import answer_part

        if self._served is None or self._served[0] != task.version:
            made = open_served(task.version, self._artifacts(), self._root, rows=task.batch_rows)
            self._served = task.version, made
        return Predicted(
            part=answer_part(task, self._served[1], open_place(task.input), open_place(task.output))
        )

    def _graph(self, record: ServingGraph, resolved: Resolved) -> Graph:
        """A version's graph, which stays open: who is asked for its signature is asked for the holdout next."""
        if self._open is None or self._open[0] != record:
            from noria.graph.open import open_graph

            self._open = record, open_graph(record, resolved, self._artifacts())
        return self._open[1]

    def _resolved(self, entry: str) -> Resolved:
        """The user's pipeline, imported once in this process. What went wrong then goes wrong each time, unless it was only
        that one task is held to other code than the next."""
        if entry not in self._pipelines:
            from noria.declare import resolve
            from noria.graph.load import load_pipeline

            try:
                self._pipelines[entry] = resolve(load_pipeline(self._root, entry))
            except BaseException as error:
                if isinstance(error.__cause__, SourceChanged):
                    raise
                self._pipelines[entry] = error
        found = self._pipelines[entry]
        if isinstance(found, BaseException):
            raise found
        return found

    def _artifacts(self) -> Artifacts:
        if self._shelf is None:
            from noria.artifacts import Artifacts

            self._shelf = Artifacts(self._places()[0], scratch=self._state / SCRATCH)
        return self._shelf

    def _places(self) -> tuple[ObjectStore, Slots]:
        """Objects, and the slots beside them, opened once in this process."""
        if self._opened is None:
            from noria.adapters.objects import open_objects
            from noria.inside.context import hold

            self._opened = open_objects(self._objects, self._state, tell=on_stderr)
            hold(self._opened[0])
        return self._opened

    def _outside(self) -> Outside:
        from noria.adapters.outside import FilesOutside

        return FilesOutside(self._places()[0], self._state, tell=on_stderr)

    def _put_back(self) -> None:
        """What a step may have moved: the working folder, the standard streams, what these still hold."""
        flush()
        for descriptor in (1, 2):
            os.dup2(self._output, descriptor)
        sys.stdout, sys.stderr = self._streams
        if sys.stdout.closed or sys.stderr.closed:
            sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
            sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
            self._streams = sys.stdout, sys.stderr
        os.chdir(self._home)


def _subject(task: Task) -> str:
    match task:
        case RunStep():
            return f"step {task.step}" + "".join(f"[{number}]" for number in task.item)
        case Divide():
            return f"the partition by {', '.join(task.by)}"
        case Score():
            return "the loss"
        case Alter():
            return f"expectation {task.expectation}"
        case Predict():
            return f"predict {task.version.graph.predict} on {task.file.path}"
        case _:
            return f"predict {task.graph.predict}"


def _raised(error: BaseException, subject: str, root: Path, memory: int | None) -> Raised:
    fault = _fault(error)
    if not isinstance(error, NoriaError):
        told = UserCodeRaised(subject=subject, error=_words(error), where=_frames(error, root))
        remedy = _more_memory(memory) if fault == "memory" else _remedy(error)
        error = replace(told, remedy=remedy) if remedy else told
    family = next(kind.__name__ for kind in type(error).__mro__ if kind.__name__ in FAMILIES)
    return Raised(code=error.code, error=str(error), next=error.advice(), family=family, fault=fault)


def _fault(error: BaseException) -> Fault:
    if isinstance(error, SourceChanged):
        return "changed"
    return "memory" if _lacks_memory(error) else "code"


def _lacks_memory(error: BaseException | None) -> bool:
    """Libraries translate their own failures to allocate into it, or raise from it."""
    return error is not None and (isinstance(error, MemoryError) or _lacks_memory(error.__cause__))


def _remedy(error: BaseException) -> str:
    """Where numpy's words do not say that it is Noria which forbids it; else nothing."""
    if isinstance(error, ValueError) and "read-only" in str(error):
        return "a step's inputs are mapped from the store, and nothing may change them: change a copy, as `values.copy()`"
    return ""


def _more_memory(allowed: int | None) -> str:
    if allowed is None:
        return "let it take less at once, or run it where there is more memory"
    return (
        f"it is held to {allowed / 2**20:,.0f} MiB: give it more, "
        "@step(resources=noria.Resources(memory=...)), or let it take less at once"
    )


def _words(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"SystemExit({error.code!r}), as sys.exit() does"
    said = "".join(traceback.format_exception_only(error)).strip()
    said = said if len(said) <= MESSAGE else said[:MESSAGE] + " ..."
    cause = error.__cause__
    return f"{said}\ncaused by {type(cause).__name__}: {cause}" if cause else said


def _frames(error: BaseException, root: Path) -> str:
    """The traceback from the user's first frame on, with the paths that the user knows."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [position for position, frame in enumerate(frames) if Path(frame.filename).is_relative_to(root)]
    shown = list(frames)[own[0] :] if own else []
    if len(shown) > FRAMES:
        shown = [shown[0], *shown[1 - FRAMES :]]
    lines = traceback.format_list(shown)
    return "\n" + "".join(lines).replace(f"{root}{os.sep}", "").rstrip() if lines else ""


_decoder = msgspec.msgpack.Decoder(Frame)
_encoder = msgspec.msgpack.Encoder()

if __name__ == "__main__":
    main(sys.argv[1:])
