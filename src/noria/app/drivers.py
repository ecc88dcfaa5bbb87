"""Who relies on objects that no record names yet: announced while it lasts, so that no collection takes them away.

A driver counts from its start: `noria gc` removes nothing that was used since then, or up to `kept` before. It tells
that it lives every minute; one that has not for a quarter of an hour is dead, and what it had recorded is kept by its
records.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from noria.errors import NoriaError
from noria.ports.slots import Slots
from noria.records.base import Record, canonical, parse

FOLDER = "drivers"
BEAT = 60.0  # s
PARTING = 2.0  # s for a beat under way; one that waits for a store that is away is not waited for
LOST = timedelta(minutes=15)  # fifteen beats, and clocks that differ by minutes


class Driver(Record, kw_only=True):
    """A process that relies on objects; its times are the real ones, whatever the time of the records."""

    what: str
    """The model that it works on."""
    host: str
    pid: int
    world: str
    """Where the process id means something; empty where that cannot be told."""
    started: datetime
    seen: datetime


@contextmanager
def driving(slots: Slots, what: str) -> Iterator[None]:
    """Announce that this process works on something, until the block ends. Raises what slots raise."""
    name = f"{FOLDER}/{uuid.uuid4().hex}"
    now = datetime.now(UTC)
    driver = Driver(what=what, host=platform.node(), pid=os.getpid(), world=_world(), started=now, seen=now)
    slots.put(name, canonical(driver))
    over = threading.Event()
    beating = threading.Thread(
        target=_beat, args=(slots, name, driver, over), name="noria-driver", daemon=True
    )
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join(PARTING)
        with contextlib.suppress(NoriaError):  # a store that is away: it is lost in a quarter of an hour
            slots.drop(name)


def drivers(slots: Slots) -> tuple[list[Driver], list[str]]:
    """Those that live, and the names of what dead ones left."""
    living: list[Driver] = []
    left: list[str] = []
    for name in slots.names(FOLDER):
        body = slots.get(name)
        if body is None:  # it has ended just now
            continue
        driver = parse(body, Driver)
        if _lives(driver):
            living.append(driver)
        else:
            left.append(name)
    return living, left


def _beat(slots: Slots, name: str, driver: Driver, over: threading.Event) -> None:
    while not over.wait(BEAT):
        with contextlib.suppress(NoriaError):  # the next one may get through, before it counts as lost
            slots.put(name, canonical(msgspec.structs.replace(driver, seen=datetime.now(UTC))))
            if over.is_set():  # it came through after all, when nobody waited for it any more
                slots.drop(name)


def _lives(driver: Driver) -> bool:
    if datetime.now(UTC) - driver.seen > LOST:
        return False
    if not driver.world or driver.world != _world():
        return True
    return Path(f"/proc/{driver.pid}").exists()


def _world() -> str:
    """The machine's start and the space of its process ids: what makes a process id name one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # no Linux: only its beats tell that it lives
        return ""


def study_lease(model: str, study: str) -> str:
    """The lease that a search for hyperparameters holds."""
    return f"tune/{model}/{study}"
