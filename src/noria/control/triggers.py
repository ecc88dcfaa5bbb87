"""What starts a run by itself: a pure decision over what is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from noria.records.monitoring import Alarm
from noria.records.policy import DAY, RetrainPolicy
from noria.records.runs import Trigger


@dataclass(frozen=True)
class Wheel:
    """A model as its triggers see it."""

    champion: int | None
    last_run: datetime | None
    """When the newest run was started, whatever came of it; None before the first."""
    interrupted: Trigger | None = None
    """What had started the newest run, if it has not ended."""
    alarms: tuple[Alarm, ...] = ()
    """The champion's that stand, the newest first."""


CALLS: dict[str, Literal["performance", "drift"]] = {
    "risk": "performance",
    "segment": "performance",
    "drift": "drift",
    "prediction": "drift",
}
"""Which trigger an alarm of a monitor pulls. A limit that was broken pulls none: worse data makes no better model."""


def due(wheel: Wheel, policy: RetrainPolicy, now: datetime) -> Trigger | None:
    """The trigger that fires now, or None.

    An interrupted run of the loop's own goes first; then an alarm on the champion, at most once a cooldown; then the
    schedule. Without a first run by a person nothing fires: there is no champion to be measured.
    """
    if wheel.interrupted is not None and finishes(wheel.interrupted, policy):
        return wheel.interrupted
    if wheel.champion is None or wheel.last_run is None:
        return None
    age = now - wheel.last_run
    for alarm in wheel.alarms if age >= timedelta(seconds=policy.cooldown) else ():
        kind = CALLS.get(alarm.monitor)
        if kind in policy.on:
            return Trigger(kind=kind, cause=alarm.id)
    if policy.every is not None and "schedule" in policy.on and age >= timedelta(seconds=policy.every):
        return Trigger(kind="schedule", cause=f"every {policy.every / DAY:g} days")
    return None


def finishes(trigger: Trigger, policy: RetrainPolicy) -> bool:
    """Whether the loop goes on with an interrupted run that this had started: only where it would start one for the
    same reason. A person's is the person's: what was asked for by hand (not to promote, say) is not recorded."""
    return trigger.kind in policy.on
