"""A project with an engine, as the contract suite uses it: jobs submitted, heard, and ended with their driver."""

from __future__ import annotations

import base64
import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from noria.errors import NoriaError
from noria.ports.engine import Broke, Ended, Engine, Happening, Job, Said
from noria.ports.objects import ObjectStore
from noria.records.base import Digest, digest_bytes
from noria.records.tasks import RunStep, StepDone

PATIENCE = 60.0  # s until a process must be gone; a busy machine takes its time
NOW = datetime(2013, 1, 1, tzinfo=UTC)
RUN = "p/1"


@dataclass(frozen=True)
class Opened:
    """An engine, and where it keeps things."""

    engine: Engine
    store: ObjectStore
    state: Path
    """The state folder of the project, on the driver's machine."""


Opener = Callable[[Path], Opened]
"""An engine of two cores at least, bound to the source tree in a folder, with a thread a step; a function of a module,
or a partial of one, for it is called in other processes, too."""


@dataclass
class Site:
    """A project with an engine, and all that was heard of its jobs."""

    root: Path
    opened: Opened
    heard: dict[str, list[Happening]] = field(default_factory=dict)
    order: list[Happening] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.opened.engine

    def submit(self, step: str, *, id: str = "", given: dict[str, Any] | None = None, **more: Any) -> str:
        name = id or step
        task = RunStep(
            pipeline="pipeline:p",
            step=step,
            inputs={},
            parameters=given or {},
            as_of=NOW,
            run=RUN,
            fingerprint=digest_bytes(f"{self.root} {step}".encode()),
        )
        self.engine.submit(Job(id=name, task=task, **more))
        self.heard[name] = []
        return name

    def hear(self, until: Callable[[], object]) -> None:
        """Take what happens until something holds."""
        while not until():
            happened = self.engine.wait()
            assert happened, "the engine has nothing to do, and what was waited for did not happen"
            for one in happened:
                self.heard[one.id].append(one)
                self.order.append(one)

    def end(self, *ids: str) -> None:
        """Wait for these jobs, however they end."""
        self.hear(lambda: all(self.last(id) for id in ids))

    def last(self, id: str) -> Ended | Broke | None:
        return next((one for one in self.heard[id] if isinstance(one, Ended | Broke)), None)

    def lines(self, id: str) -> list[str]:
        return [one.line for one in self.heard[id] if isinstance(one, Said)]

    def run(self, step: str, **more: Any) -> StepDone:
        id = self.submit(step, **more)
        self.end(id)
        return self.done(id)

    def done(self, id: str) -> StepDone:
        """Raises what broke first where this one broke: it may have waited for the other."""
        one = self.last(id)
        if isinstance(one, Broke):
            raise next(each.error for each in self.order if isinstance(each, Broke))
        assert isinstance(one, Ended) and isinstance(one.done, StepDone)
        return one.done

    def value(self, step: str, **more: Any) -> Any:
        return self.stored(self.run(step, **more), step)

    def stored(self, done: StepDone, step: str) -> Any:
        """What a step made, where that is plain JSON."""
        return msgspec.json.decode(self.opened.store.get(done.outputs[step].digest))

    def broke(self, step: str, **more: Any) -> Broke:
        id = self.submit(step, **more)
        self.end(id)
        one = self.last(id)
        assert isinstance(one, Broke)
        return one

    def log(self, digest: object) -> str:
        assert isinstance(digest, str)
        return self.opened.store.get(Digest(digest)).decode()

    def pids(self, id: str) -> list[int]:
        """Those that a step has printed."""
        self.hear(lambda: self.lines(id))
        return [int(word) for word in self.lines(id)[0].split()[1:]]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_gone(*pids: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, f"one of {pids} is still there"
        time.sleep(0.005)


@contextlib.contextmanager
def driver(opener: Opener, folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that drives a step which never ends; the step's process and its child."""
    told = base64.b64encode(pickle.dumps((opener, folder))).decode()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from noria.testing.engine_site import drive_for_ever; drive_for_ever()",
            told,
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()[1:]]
    try:
        assert len(pids) == 2
        yield process, pids
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def drive_for_ever() -> None:
    """What that process does."""
    opener, folder = pickle.loads(base64.b64decode(sys.argv[1]))
    opened: Opened = opener(folder)
    site = Site(folder, opened)
    try:
        print("pids", *site.pids(site.submit("hangs")), flush=True)
        site.end("hangs")
    except NoriaError as error:
        sys.exit(str(error))
    finally:
        opened.engine.close()
