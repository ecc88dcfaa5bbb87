"""The way back, gone: alias, routing and rollout in one transaction, and what runs answers with the old version.

What else belongs to a version comes back with it, for it was never anybody else's: its environment is built from its own record,
and its monitor goes on from its own state, with its own bound and threshold.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from noria.app.errors import NoWayBack
from noria.app.gone import require_whole
from noria.app.promote import find_version
from noria.app.rollouts.services import champion_services, hold
from noria.app.service import ServiceRefused, ServiceSilent, routing_of
from noria.errors import Unavailable
from noria.records.events import AliasMoved, Change
from noria.records.rollouts import Rollout, RolloutEnded, RolloutMoved, Withdrawing
from noria.records.service import Service
from noria.registry.moves import move, previous
from noria.registry.references import CHAMPION
from noria.rollout import machine
from noria.rollout.drive import Held
from noria.rollout.machine import Table
from noria.rollout.words import phase_words

if TYPE_CHECKING:
    from noria.app.wiring import App

PATIENCE = 120.0  # s for a service to load a version whose worker it does not keep any more
LOOK = 0.02  # s between two looks at it: a hundredth of what a rollback may take


@dataclass(frozen=True)
class Answers:
    """What a service does after a rollback."""

    service: str
    version: int
    seconds: float
    """Since the rollback was asked for."""
    problem: str = ""
    """Why it does not answer with the old version."""


@dataclass(frozen=True)
class RolledBack:
    moved: AliasMoved
    rollout: Rollout | None = None
    """The one that was under way, and is no more."""
    services: tuple[Answers, ...] = ()


def rollback(
    app: App, model: str | None, *, alias: str = CHAMPION, why: str = "", by: str, dry_run: bool = False
) -> RolledBack:
    """Let an alias name the version that it named before, and wait until the services of this machine that follow the
    champion answer with it. A rollout that is under way ends with it, unless it is the one by which that version became the
    champion. Raises `NoWayBack`, `VersionGone`."""
    began = time.monotonic()
    name = app.model(model).name
    moved = _moved(app, name, alias, why or "rolled back by a person", by)
    rollout = _ended(app, name, moved, by) if alias == CHAMPION else None
    if dry_run:
        return RolledBack(moved, rollout)
    changes: list[Change] = [moved]
    if rollout is not None:
        kind = RolloutMoved if rollout.open else RolloutEnded
        changes.insert(0, kind(rollout=rollout, why=phase_words(rollout), by=by))
    app.records.ledger.append(name, changes, at=app.clock.now())
    if alias != CHAMPION:
        return RolledBack(moved)
    answers = tuple(_answers(one, moved.after or 0, began) for one in champion_services(app, name))
    return RolledBack(moved, _settled(app, rollout, by), answers)


def _moved(app: App, name: str, alias: str, why: str, by: str) -> AliasMoved:
    back = previous((change for _, change in app.records.ledger.events(name, kinds=("alias.moved",))), alias)
    aliases = app.records.versions.aliases(name)
    moved = move(aliases, model=name, alias=alias, to=back, why=why, by=by) if back else None
    if moved is None:
        raise NoWayBack(model=name, alias=alias)
    with suppress(
        Unavailable
    ):  # a store that is away keeps nobody: who answered before may have the version loaded
        require_whole(app, find_version(app, f"{name}:{back}"))
    return moved


def _ended(app: App, model: str, moved: AliasMoved, by: str) -> Rollout | None:
    """The open rollout, as it is to be with another champion; None where there is none that changes."""
    last = app.records.rollouts.last(model)
    if last is None or not last.open:
        return None
    now, why = app.clock.now(), f"rolled back by {by}"
    new = machine.moved_to(last, moved.after, why, now) if last.switched else machine.aborted(last, why, now)
    return None if new is last else new


def _settled(app: App, rollout: Rollout | None, by: str) -> Rollout | None:
    """Whoever drives would do so as well: clear the challenger's share, and say so."""
    if rollout is None or not isinstance(rollout.phase, Withdrawing):
        return rollout
    if not isinstance(hold(app, rollout, Table()), Held):
        return rollout
    done = machine.settled(rollout, app.clock.now())
    app.records.ledger.append(
        rollout.model, [RolloutEnded(rollout=done, why=phase_words(done), by=by)], at=app.clock.now()
    )
    return done


def _answers(service: Service, version: int, began: float) -> Answers:
    """Wait until it answers with a version."""
    problem = ""
    while time.monotonic() - began < PATIENCE:
        try:
            now = routing_of(service).table.champion
        except (ServiceSilent, ServiceRefused) as error:
            return Answers(service.id, service.version, time.monotonic() - began, str(error))
        if now == version:
            return Answers(service.id, version, time.monotonic() - began)
        time.sleep(LOOK)
        problem = f"it still answers with version {now}"
    return Answers(service.id, service.version, time.monotonic() - began, problem)
