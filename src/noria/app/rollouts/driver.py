"""Whoever drives: beside `noria serve` and `noria watch`, in a thread of its own, for a training takes hours.

One drives at a time among all who share the records, by a lease that ends with its holder; the next to look goes on from what
is stored. What was counted is counted again from the log.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from noria.app.rollouts.door import AppDoor
from noria.app.wiring import open_app
from noria.errors import Conflict, Corrupt, NoriaError, render
from noria.records.rollouts import Rollout
from noria.rollout.drive import Turned, turn

if TYPE_CHECKING:
    from noria.app.wiring import App

LOOK = 1.0  # s between two looks at one that is under way
IDLE = 2.0  # s between two looks whether there is one: a small read
SHARE = 10.0  # times as long as a look took is waited before the next: a tenth of a core at most
LEAVING = (
    2.0  # s for what is under way; what is not done by then is what a kill would leave, and is gone on with
)
LONGEST = 10.0  # s of such a pause: who is worse must not stay for long


class Driver:
    """Of one model. Close it: it may hold a lease and a worker process."""

    def __init__(self, app: App, model: str) -> None:
        self._app = app
        self._model = model
        self._lease = ExitStack()
        self._held = False
        self._door: AppDoor | None = None
        self._driven: int | None = None

    def turn(self) -> Turned | None:
        """Do the next thing; None where no rollout is under way, or somebody else drives it."""
        last = self._app.records.rollouts.last(self._model)
        if last is None or not last.open:
            self.close()
            return None
        return turn(self._door_of(last), last) if self._take() else None

    def close(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door, self._driven = None, None
        if self._held:
            self._lease.close()
            self._held = False

    def _take(self) -> bool:
        if self._held:
            return True
        holder = f"process {os.getpid()} since {self._app.clock.now():%Y-%m-%d %H:%M:%S} UTC"
        try:
            self._lease.enter_context(self._app.leases.hold(f"{self._model}@rollout", holder))
        except Conflict:
            return False
        self._held = True
        return True

    def _door_of(self, rollout: Rollout) -> AppDoor:
        if self._door is None or self._driven != rollout.number:
            if self._door is not None:
                self._door.close()
            self._door, self._driven = AppDoor(self._app, rollout), rollout.number
        return self._door


@contextmanager
def driving(project: Path, models: Sequence[str], say: Callable[[str], None]) -> Iterator[None]:
    """Drive the rollouts of models until the block ends; `say` hears, from the thread, what changes and what is waited for."""
    over = threading.Event()
    thread = threading.Thread(target=_drive, args=(project, models, say, over), name="rollouts", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LEAVING)


def drive_once(app: App, model: str, say: Callable[[str], None]) -> None:
    """Do all that a rollout of the model can do now."""
    driver = Driver(app, model)
    try:
        while (turned := driver.turn()) is not None and turned.why:
            say(_line(turned))
    finally:
        driver.close()


def _drive(project: Path, models: Sequence[str], say: Callable[[str], None], over: threading.Event) -> None:
    with open_app(project) as app, ExitStack() as stack:
        drivers = {model: Driver(app, model) for model in models}
        for driver in drivers.values():
            stack.callback(driver.close)
        told: dict[str, str] = {}
        due = dict.fromkeys(drivers, 0.0)
        while not over.wait(_turn_due(drivers, due, told, say)):
            pass


def _turn_due(
    drivers: Mapping[str, Driver], due: dict[str, float], told: dict[str, str], say: Callable[[str], None]
) -> float:
    """A turn of each model whose time has come, and seconds until the next one's: one that waits hurries no other."""
    for model, driver in drivers.items():
        if due[model] <= time.monotonic():
            pause = _paced(model, driver, told, say)
            due[model] = time.monotonic() + pause
    return max(0.0, min(due.values(), default=time.monotonic() + IDLE) - time.monotonic())


def _paced(model: str, driver: Driver, told: dict[str, str], say: Callable[[str], None]) -> float:
    """A turn of one model's driver; how many seconds later the next is due: none after a change."""
    began = time.monotonic()
    turned = _told(model, driver, told, say)
    if turned is None:
        return IDLE
    return 0.0 if turned.why else max(LOOK, min(LONGEST, SHARE * (time.monotonic() - began)))


def _told(model: str, driver: Driver, told: dict[str, str], say: Callable[[str], None]) -> Turned | None:
    """What fails is told once, and tried again: a service must outlive it."""
    turned, line = None, ""
    try:
        turned = driver.turn()
        line = _line(turned) if turned else ""
    except Corrupt:
        raise
    except NoriaError as error:
        driver.close()
        line = render(error)
    except (
        Exception
    ):  # whatever it is, a challenger may be answering, and must be taken back when it is worse
        driver.close()
        line = traceback.format_exc()
    if line and told.get(model) != line:
        say(line)
    told[model] = line or told.get(model, "")
    return turned


def _line(turned: Turned) -> str:
    what = turned.why or (f"waits: {turned.waiting}" if turned.waiting else "")
    return (
        f"rollout {turned.rollout.name} of {turned.rollout.model}:{turned.rollout.version}: {what}"
        if what
        else ""
    )
