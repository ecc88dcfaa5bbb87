"""One budget of false alarms over all models: what each version takes of it on its first day, and keeps.

A test's threshold cannot move while it runs, so what was given stays given. A version takes an equal part of what is
left beside the champions of the other models, where one part more than there are models without one is laid aside: a
model that is added later finds something, and halves what is left, and so on. Whatever comes, the parts of the
versions in use add up to less than the budget, and so does the chance that any of them is alarmed falsely in its life
(union bound). What a version gave back when another took its place is there for the next. Where nothing is left (the budget
was lowered, a rollback brought a part back), a version gets the least that a test can run with, and it is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.errors import Conflict
from noria.ports.records import TAKEN
from noria.records.monitoring import MonitorsBegun, Plan
from noria.records.policy import ModelPolicy
from noria.records.versions import Version
from noria.registry.references import CHAMPION

if TYPE_CHECKING:
    from noria.app.wiring import App

WEIGHTS = {"risk": 4.0, "segments": 2.0, "drift": 2.0, "prediction": 1.0}
"""How a version's part is divided over its families of monitors: the one that means harm for certain gets most."""
LEAST = 1e-3  # of the budget: ten versions with the least exceed it by a hundredth


def plan_of(app: App, policy: ModelPolicy, version: int, families: Iterable[str]) -> Plan:
    """The version's plan: as it was recorded on its first day, which is now if it has none. A plan of old, which does not
    say its blocks, gets today's."""
    known = recorded(app, policy.name, version)
    if known is not None:
        return known if known.block else replace(known, block=policy.monitor.block)
    now = app.clock.now()
    plan = _planned(app, policy, version, list(families), now)
    try:
        app.records.ledger.append(policy.name, [MonitorsBegun(plan=plan)], at=now)
    except Conflict as error:
        known = recorded(app, policy.name, version)
        if error.code != TAKEN or known is None:
            raise
        return known
    return plan


def families_of(version: Version) -> list[str]:
    """The families of tests that a version can have."""
    labelled = ["risk", "segments"] if version.quality is not None else []
    return labelled + (["drift", "prediction"] if version.signature.time is not None else [])


def recorded(app: App, model: str, version: int) -> Plan | None:
    """What a version was given; None for one that nobody has watched yet."""
    for _, change in app.records.ledger.events(model, kinds=["monitors.begun"]):
        if isinstance(change, MonitorsBegun) and change.plan.version == version:
            return change.plan
    return None


def _planned(app: App, policy: ModelPolicy, version: int, families: list[str], now: datetime) -> Plan:
    own = policy.monitor.false_alarm
    held = _held(app, policy.name) if own is None else {}
    waiting = 1 + sum(part is None for part in held.values())
    given = {name: part for name, part in held.items() if part is not None}
    budget = app.policy.alarms.false_alarm
    left = (budget - sum(given.values())) / (waiting + 1)
    whole = max(left, LEAST * budget) if own is None else own
    weight = sum(WEIGHTS[family] for family in families)
    return Plan(
        model=policy.name,
        version=version,
        begun=now,
        false_alarm=whole,
        shares={family: whole * WEIGHTS[family] / weight for family in families},
        budget=None if own is not None else budget,
        beside=given,
        waiting=waiting,
        block=policy.monitor.block,
    )


def _held(app: App, model: str) -> dict[str, float | None]:
    """The parts of the other models' champions, by `model:version`; None where there is none yet. Models with a share of
    their own stand outside of the budget."""
    held: dict[str, float | None] = {}
    for other in app.policy.models:
        if other.name == model or other.monitor.false_alarm is not None:
            continue
        champion = app.records.versions.aliases(other.name).get(CHAMPION)
        plan = None if champion is None else recorded(app, other.name, champion)
        held[f"{other.name}:{champion or 0}"] = plan.false_alarm if plan and plan.budget is not None else None
    return held
