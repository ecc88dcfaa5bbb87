"""A rollout as it stands at this moment, for a person: counted and judged anew, nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noria.app.rollouts.door import AppDoor
from noria.app.rollouts.verbs import Standing
from noria.records.rollouts import Rollout, Watching
from noria.rollout.drive import NotYet
from noria.rollout.judge import judge

if TYPE_CHECKING:
    from noria.app.wiring import App


def standing(app: App, rollout: Rollout) -> Standing:
    """Judged anew while its step holds; else as it was at its last change. Labels are looked at by whoever drives it."""
    if not isinstance(rollout.phase, Watching):
        return Standing(rollout, rollout.judged)
    door = AppDoor(app, rollout, labels=False)
    seen = door.observe(rollout)
    if isinstance(seen, NotYet):
        return Standing(rollout, rollout.judged, waiting=seen.why)
    return Standing(rollout, judge(rollout.policy, seen), waiting=seen.gone)
