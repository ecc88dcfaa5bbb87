"""The services that a rollout is carried out by: those of this machine that follow the model's champion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noria.app.read import running
from noria.app.service import RoutingView, ServiceRefused, ServiceSilent, put, routing_of, services_here
from noria.records.rollouts import Rollout
from noria.records.routing import Routing
from noria.records.service import Service
from noria.registry.references import CHAMPION
from noria.rollout.drive import Held, Never, NotYet
from noria.rollout.machine import Table
from noria.serving.change import WantedChallenger

if TYPE_CHECKING:
    from noria.app.wiring import App

REFUSED, STALE = (
    500,
    409,
)  # what a service answers where workers cannot be started; where its table has moved on


def hold(app: App, rollout: Rollout, table: Table) -> Held | NotYet | Never:
    """Let each of them go by a table. Idempotent."""
    found = champion_services(app, rollout.model)
    if not found:
        return NotYet(none_runs(rollout.model))
    for service in found:
        held = _held(service, rollout, table)
        if not isinstance(held, Held):
            return held
    return Held()


def none_runs(model: str) -> str:
    return f"no service of {model}@{CHAMPION} runs on this machine: noria serve {model}"


def champion_services(app: App, model: str) -> Sequence[Service]:
    """Those whose keeper lives."""
    return [
        one
        for one in services_here(app)
        if one.model == model and one.follows == CHAMPION and running(one.pid)
    ]


def tables(app: App, model: str) -> Sequence[RoutingView] | NotYet:
    """What each of them goes by now."""
    found = champion_services(app, model)
    if not found:
        return NotYet(none_runs(model))
    try:
        return [routing_of(one) for one in found]
    except (ServiceSilent, ServiceRefused) as error:
        return NotYet(str(error))


def goes_by(view: RoutingView, table: Table) -> bool:
    """Whether a service's routing is what a rollout wants, and nobody else is a challenger."""
    asked = {one.version: one.share for one in view.table.challengers}
    wanted = {} if table.challenger is None else {table.challenger: table.share}
    return asked == wanted and (table.shadow is None or table.shadow in view.table.shadows)


def _held(service: Service, rollout: Rollout, table: Table) -> Held | NotYet | Never:
    try:
        view = routing_of(service)
        if view.table.champion == 0:
            return NotYet(f"{service.id} has not loaded its champion yet")
        others = [one.version for one in view.table.challengers if one.version != rollout.version]
        if others and table != Table():
            return NotYet(
                f"version {others[0]} answers for a share by hand: noria service clear {rollout.model}:{others[0]}"
            )
        if table.shadow == rollout.champion == view.table.champion:
            return NotYet(f"{service.id} does not answer with version {rollout.version} yet")
        return _put(service, view.table, rollout, table)
    except ServiceSilent as error:
        return NotYet(str(error))
    except ServiceRefused as error:
        return Never(str(error)) if error.answered >= REFUSED or error.answered == 400 else NotYet(str(error))


def _put(service: Service, now: Routing, rollout: Rollout, table: Table) -> Held | NotYet:
    """Of the table, what is the rollout's; others' shadows stay."""
    challengers = [
        WantedChallenger(version=one.version, share=one.share, start=one.start)
        for one in now.challengers
        if one.version != rollout.version
    ]
    if table.challenger is not None and table.challenger != now.champion:
        challengers.append(WantedChallenger(version=table.challenger, share=table.share))
    shadows = [one for one in now.shadows if one not in (rollout.version, rollout.champion)]
    if table.shadow is not None and table.shadow != now.champion:
        shadows.append(table.shadow)
    changed = put(service, now, tuple(challengers), tuple(shadows), salt=rollout.name)
    behind = changed.of - changed.told
    return NotYet(f"{behind} workers do not go by the table yet") if behind else Held()
