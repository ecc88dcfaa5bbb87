"""A worker process as the keeper sees it: how it is started, what it is told, and how it stands."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from noria.records.base import canonical
from noria.serving import wire
from noria.serving.bundle import Bundle, Entrance
from noria.serving.service_errors import WorkerFailed

READY = 300.0  # s for a worker to load its version: a large model over a network takes a minute or two

STDERR = 2

State = Literal["starting", "spare", "accepting", "leaving", "resting"]
"""`resting`: of the version before, loaded still, for whoever goes back to it."""


@dataclass
class Plan:
    """How a version's workers are to be run."""

    bundle: Bundle | Entrance
    python: str
    variables: Mapping[str, str]
    module: str = "noria.serving.worker"
    workers: int = 1
    threads: int = 1
    spare: bool = True
    """Whether one more worker is kept loaded, where there is but one that accepts."""


@dataclass(eq=False)
class Worker:
    """One of them."""

    name: str
    bundle: Bundle | Entrance
    process: subprocess.Popen[bytes]
    channel: socket.socket
    counts: Path
    ready: asyncio.Future[None]
    began: float
    """By the loop's clock."""
    state: State = "starting"
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it says that its own ports are open."""
    logs: bool = True
    """Whether it can log what it answers."""
    protocol: int = 0
    """Its own, once it is ready."""
    routed: int = 0
    """The last table that it said it goes by."""
    knows: int = 0
    """The last word of the service's other models that it said it goes by."""

    @property
    def door(self) -> Path:
        """Where it listens for its siblings."""
        return self.counts.with_suffix(".sock")

    @property
    def version(self) -> str:
        return self.bundle.version.name

    def tell(self, message: wire.AnyMessage, sockets: Sequence[socket.socket] = ()) -> bool:
        """False when it is gone."""
        try:
            wire.say(self.channel, message, sockets)
        except OSError:
            return False
        return True

    def is_ready(self, protocol: int) -> None:
        self.protocol = protocol
        if not self.ready.done():
            self.ready.set_result(None)

    def failed(self, reason: str, code: str = "") -> None:
        """It will never be ready; ignored where it has been."""
        if not self.ready.done():
            self.ready.set_exception(WorkerFailed(self.version, reason, code))

    async def until_ready(self) -> None:
        """Raises `WorkerFailed`."""
        try:
            async with asyncio.timeout(READY):
                await self.ready
        except TimeoutError as error:
            raise WorkerFailed(self.version, f"it was not ready in {READY:g} s") from error

    def end(self) -> None:
        """At once; what is in flight in it is lost, and nobody is blamed for it."""
        self.state = "leaving"
        self.process.kill()


def start(plan: Plan, name: str, folder: Path) -> Worker:
    """Start a worker, with its bundle and its counts in the keeper's own folder. For the event loop's thread. Raises
    `WorkerFailed` where the system gives no process: its interpreter is gone, or processes, files or room are used up."""
    loop, counts = asyncio.get_running_loop(), folder / name
    try:
        process, ours = spawn(plan, counts)
    except OSError as error:
        raise WorkerFailed(plan.bundle.version.name, f"no process could be started: {error}") from error
    ours.setblocking(False)
    return Worker(name, plan.bundle, process, ours, counts, loop.create_future(), loop.time())


def spawn(plan: Plan, counts: Path, *, out: int = STDERR) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process, which counts what it answers in `counts` and has its bundle beside it, and our end of its channel. What a
    pipeline prints goes to `out`: it is for people."""
    bundle = counts.with_suffix(".bundle")
    bundle.write_bytes(canonical(plan.bundle))
    ours, theirs = wire.pair()
    words = {
        "--bundle": bundle,
        "--channel": theirs.fileno(),
        "--counts": counts,
        "--threads": plan.threads,
    }
    try:
        process = subprocess.Popen(
            [
                *(plan.python, "-P", "-m", plan.module),
                *(str(word) for pair in words.items() for word in pair),
            ],
            pass_fds=[theirs.fileno()],
            env={"GRPC_VERBOSITY": "NONE", **plan.variables},  # its C core's lines at each swap are no events
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # Ctrl-C reaches the keeper alone, which ends its workers in order
        )
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours
