"""The head of a joined cluster: whether it is there, and still the one that was joined.

Ray itself ends a process whose head has been silent for a minute, and at once one that asks a head which was started
anew, in both cases with lines of its own and no exception. So the head is asked before Ray has to.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from noria.ports.engine import EngineLost

PULSE = 2.0  # s between two questions to the head, of 2 ms each; a new head takes longer to start
ANSWER = 5.0  # s until an answer must be there: two retransmissions of a lost packet
PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"  # Ray's own word for it
RAYS = 60.0  # s, Ray's own default for that
ENDING = 15.0  # s of it that are kept for the run's end: up to 4 until silence is noticed, 5 for Ray's own end, as many to spare
AGAIN = 0.5  # s between two questions to a head that did not answer


@dataclass(eq=False)
class HeadLost(EngineLost):
    code: ClassVar[str] = "RAY-HEAD-LOST"
    what: ClassVar[str] = "the Ray cluster at {address} is gone under the run: {why}"
    next: ClassVar[str] = (
        "start the cluster again (`ray status --address {address}` tells whether it is there) and run again: finished "
        "steps are kept"
    )
    address: str
    why: str


class Head:
    """Of the cluster that this process has joined. For many threads."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.lost: HeadLost | None = None
        """Why nothing more can be asked of it, ever."""
        self._patience = max(0.0, float(os.environ.get(PATIENCE, RAYS)) - ENDING)
        self._which = _which(address)
        self._next = 0.0

    def check(self, *, now: bool = False) -> None:
        """Ask it, unless it was asked just before; `now`: in any case. One that does not answer is asked until patience
        ends. Raises `HeadLost`."""
        if self.lost is None and (now or time.monotonic() >= self._next):
            self.lost = self._asked()
            self._next = time.monotonic() + PULSE
        if self.lost is not None:
            raise HeadLost(self.lost.address, self.lost.why)

    def _asked(self) -> HeadLost | None:
        since = time.monotonic()
        while True:
            try:
                found = _which(self.address)
                break
            except Silent as error:
                if time.monotonic() - since >= self._patience:
                    return HeadLost(
                        self.address, f"its head has not answered for {self._patience:g} s ({error})"
                    )
            time.sleep(AGAIN)
        if found != self._which:
            return HeadLost(self.address, "its head was started anew, and knows nothing of the run's tasks")
        return None


class Silent(Exception):
    """No answer, for a reason."""


def _which(address: str) -> str:
    """The cluster that a head says it is the head of. Raises `Silent`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    except OSError as error:
        raise Silent(error.strerror or str(error)) from error
    return _within(ANSWER, lambda: _said(address))


def _said(address: str) -> str:
    import ray._raylet as inner

    client: Any = inner.GcsClient  # type: ignore[attr-defined]  # compiled
    return str(client(address=address).cluster_id)


def _within(seconds: float, call: Callable[[], str]) -> str:
    """What a call of Ray's gives, which may never come back. Raises `Silent`."""
    found: dict[str, Any] = {}

    def tell() -> None:
        try:
            found["answer"] = call()
        except (
            Exception
        ) as error:  # Ray's errors of the wire have no class of their own; the asker must hear of it
            found["error"] = str(error).partition("\n")[0] or type(error).__name__

    thread = threading.Thread(target=tell, name="noria-ray-head", daemon=True)
    thread.start()
    thread.join(seconds)
    if "answer" not in found:
        raise Silent(found.get("error", f"no answer within {seconds:g} s"))
    return str(found["answer"])
