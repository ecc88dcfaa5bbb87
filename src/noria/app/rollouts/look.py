"""A rollout as it stands at this moment, for a person: counted and judged anew, no change of it written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from msgspec.structs import replace

from noria.app.rollouts.door import AppDoor
from noria.app.rollouts.verbs import Standing
from noria.errors import Corrupt, NoriaError
from noria.records.rollouts import Judged, Observed, Owing, Rollout, Standby, Watching
from noria.records.rollouts import Standing as Verdict
from noria.rollout.drive import NotYet
from noria.rollout.judge import judge

if TYPE_CHECKING:
    from noria.app.wiring import App

QUALITY = "quality"  # the metric that takes labels


def standing(app: App, rollout: Rollout) -> Standing:
    """Judged anew while its step holds or labels are owed; else as it was at its last change. Labels are scored by the user's
    code, in a worker that is started for it."""
    phase = rollout.phase
    if not (isinstance(phase, Watching | Owing) or (isinstance(phase, Standby) and phase.opened)):
        return Standing(rollout, rollout.judged)
    seen, unscored = _seen(app, rollout)
    if isinstance(seen, NotYet):
        return Standing(rollout, rollout.judged, waiting=seen.why)
    judged = judge(rollout.policy, seen)
    if isinstance(phase, Owing) and rollout.judged is not None:
        judged = rollout.judged if unscored else _with_labels(rollout.judged, judged)
    elif unscored:
        judged = replace(judged, standings=_but_quality(judged))
    return Standing(rollout, judged, waiting=seen.gone or unscored)


def _seen(app: App, rollout: Rollout) -> tuple[Observed | NotYet, str]:
    """A look; where labels cannot be scored, one without them, and why: the rest is to be seen all the same."""
    try:
        with closing(AppDoor(app, rollout)) as door:
            return door.observe(rollout), ""
    except Corrupt:
        raise
    except NoriaError as error:
        seen = AppDoor(app, rollout, labels=False).observe(rollout)
        return seen, f"labels that can be scored: {error.headline()}"


def _with_labels(then: Judged, now: Judged) -> Judged:
    """Of one that owes labels, these are all that is looked at since its promotion."""
    quality = tuple(one for one in now.standings if one.metric == QUALITY)
    return replace(
        then, standings=(*_but_quality(then), *quality), labelled=now.labelled, waiting=now.waiting
    )


def _but_quality(judged: Judged) -> tuple[Verdict, ...]:
    return tuple(one for one in judged.standings if one.metric != QUALITY)
