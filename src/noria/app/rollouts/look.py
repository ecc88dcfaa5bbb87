"""A rollout as it stands at this moment, for a person: counted and judged anew, nothing written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.rollouts.door import AppDoor
from noria.app.rollouts.verbs import Standing
from noria.records.rollouts import Judged, Rollout, Standby, Watching
from noria.rollout.copies import are_copies, last_judged, turned_to_copies
from noria.rollout.drive import NotYet
from noria.rollout.judge import judge

if TYPE_CHECKING:
    from noria.app.wiring import App

QUALITY = "quality"  # the metric that takes labels
UNSEEN = "labels are looked at by whoever drives it, and shown from its next change on"


def standing(app: App, rollout: Rollout) -> Standing:
    """Judged anew while its step holds; else as it was at its last change. Labels are looked at by whoever drives it."""
    phase = rollout.phase
    if not (isinstance(phase, Watching) or (isinstance(phase, Standby) and phase.opened)):
        return Standing(rollout, rollout.judged)
    door = AppDoor(app, rollout, labels=False)
    seen = door.observe(rollout)
    if isinstance(seen, NotYet):
        return Standing(rollout, rollout.judged, waiting=seen.why)
    judged = with_losses(judge(rollout.policy, seen), _last(app, rollout))
    unseen = rollout.policy.quality is not None and judged.of(QUALITY) is None
    return Standing(rollout, judged, waiting=seen.gone or (UNSEEN if unseen else ""))


def _last(app: App, rollout: Rollout) -> Judged | None:
    """What the driver made of this kind of evidence when it last changed something; on standby it has changed nothing yet."""
    if isinstance(rollout.phase, Standby):
        return None
    if not turned_to_copies(rollout):
        return rollout.judged
    history = app.records.rollouts.history(rollout.model, rollout.number)
    return last_judged(history, copies=are_copies(rollout))


def with_losses(now: Judged, last: Judged | None) -> Judged:
    """A look without labels, with what was made of them by `last`, the driver's at its last change; without a word of them
    where that had none, for no look at them is not "nothing can be told"."""
    known = None if last is None else last.of(QUALITY)
    rest = tuple(one for one in now.standings if one.metric != QUALITY)
    return replace(
        now,
        standings=rest if known is None else (*rest, known),
        labelled=last.labelled if last else 0,
        waiting=last.waiting if last else 0,
    )
