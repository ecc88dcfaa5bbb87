"""A rollout's next record, from what was seen or what a person says. Nothing here looks at a clock, a service or a log.

    rehearsing -> opening 0 -> watching 0 -> opening 1 -> ... -> [standby -> withdrawing ->] owing -> ended (promoted)
                     |  ^          |                                |                          |
                     |  +- copies -+                                |                          |
                     +-------------+-> withdrawing -> ended         +--------------------------+-> ended (rolled back)

`copies`: of a canary whose step was undecided, opened and watched likewise; a verdict there leads back to the step (`copies`).
`standby`: of a blue-green after its switch, while its predecessor answers copies, opened and watched likewise (`standby`).

Each function gives a record of the next revision, or the same one where nothing is to change; the ledger takes it only after
the revision that it was made from, so that two who drive, or one who was killed and began again, end in one history.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from noria.records.rollouts import (
    GOOD,
    Ended,
    Judged,
    Observed,
    Opening,
    Owing,
    Pause,
    Phase,
    Rehearsal,
    Rehearsing,
    Result,
    Rollout,
    Standby,
    Stretch,
    Watching,
    Withdrawing,
)
from noria.rollout.copies import had_copies, may_turn_to_copies
from noria.rollout.judge import judge, missing, worse
from noria.rollout.standby import copies_on_standby, may_stand_by
from noria.rollout.words import because, good_words, standing_words, undecided_words

SPLIT = "the units do not come to the versions as their shares say: routing itself is broken"


class Table(msgspec.Struct, frozen=True):
    """Who is to answer beside the champion."""

    challenger: int | None = None
    share: float = 0.0
    shadow: int | None = None


def wanted(rollout: Rollout) -> Table:
    """The table that a rollout's phase asks for; the champion alone where it does not say otherwise."""
    phase = rollout.phase
    if isinstance(phase, Standby):
        return Table(shadow=rollout.champion)
    if not isinstance(phase, Opening | Watching) or not rollout.steps:
        return Table()
    if rollout.policy.strategy == "canary" and not phase.copies:
        return Table(challenger=rollout.version, share=rollout.steps[phase.step])
    return Table(shadow=rollout.version)


# -- what happens by itself


def rehearsed(rollout: Rollout, rehearsal: Rehearsal) -> Rollout:
    """The way back was tried: on to the first step, or no further."""
    if not isinstance(rollout.phase, Rehearsing):
        return rollout
    if not rehearsal.passed:
        why = rehearsal.problem or "the predecessor does not answer as it did"
        return _next(rollout, Withdrawing(result="aborted", why=f"no way back: {why}"), rehearsal=rehearsal)
    return _next(rollout, Opening(step=0), rehearsal=rehearsal)


def opened(rollout: Rollout, now: datetime) -> Rollout:
    """Every worker goes by the step's table."""
    phase = rollout.phase
    if isinstance(phase, Standby) and not phase.opened:
        stretch = Stretch(step=len(rollout.steps), share=0.0, since=now)
        standing_by = msgspec.structs.replace(phase, opened=True)
        return _next(rollout, standing_by, stretches=(*rollout.stretches, stretch))
    if not isinstance(phase, Opening):
        return rollout
    stretch = Stretch(step=phase.step, share=wanted(rollout).share, since=now)
    watching = Watching(step=phase.step, copies=phase.copies)
    return _next(rollout, watching, stretches=(*rollout.stretches, stretch))


def leads_on(rollout: Rollout) -> bool:
    """Whether what is being opened lets the challenger answer more than before, which a pause holds."""
    return not rollout.stretches or wanted(rollout).share > rollout.stretches[-1].share


def advance(rollout: Rollout, seen: Observed, now: datetime) -> Rollout:
    """What one look makes of it."""
    if isinstance(rollout.phase, Owing):
        return _judged_again(rollout, seen, now)
    if isinstance(rollout.phase, Standby):
        return _judged_on_standby(rollout, seen, now)
    if not isinstance(rollout.phase, Watching):
        return rollout
    if seen.gone:
        return aborted(rollout, f"its workers are gone: {seen.gone}", now)
    judged = judge(rollout.policy, seen)
    if judged.broken:
        return aborted(rollout, f"{SPLIT} (e-value {judged.split:.3g})", now, judged)
    if worse(judged):
        return aborted(rollout, because(worse(judged)), now, judged)
    if seen.displaced is not None:
        return _reopened(rollout, seen.displaced)
    return rollout if rollout.pause else _forward(rollout, judged, now)


def settled(rollout: Rollout, now: datetime) -> Rollout:
    """The champion answers everything again."""
    phase = rollout.phase
    if not isinstance(phase, Withdrawing):
        return rollout
    return (
        _stays(rollout, phase.why, now)
        if phase.result == "promoted"
        else _ended(rollout, phase.result, phase.why, now)
    )


def is_due(rollout: Rollout) -> bool:
    """Whether the alias is to be moved: all steps are through, or there were none."""
    return isinstance(rollout.phase, Opening) and rollout.phase.step == len(rollout.steps)


def promoted(rollout: Rollout, now: datetime) -> Rollout:
    """The alias has moved, in the same transaction. It owes labels where some may still convict it."""
    if not is_due(rollout):
        return rollout
    if may_stand_by(rollout.policy):
        return _next(rollout, Standby(since=now))
    return _stays(rollout, reason(rollout), now)


def not_standing_by(rollout: Rollout, why: str, now: datetime) -> Rollout:
    """After a switch: for now the predecessor can get no copies. That is waited for as long as it was to stand by."""
    if not isinstance(rollout.phase, Standby) or _is_standing_by(rollout, rollout.phase, now):
        return rollout
    return alone(rollout, f"its predecessor could not stand by in time: {why}", now)


def alone(rollout: Rollout, why: str, now: datetime) -> Rollout:
    """After a switch: the predecessor is to get no copies any more, or cannot answer them; the version stays."""
    if not isinstance(rollout.phase, Standby):
        return rollout
    phase = Withdrawing(result="promoted", why=f"{reason(rollout)}; {why}")
    return _next(rollout, phase, stretches=_closed(rollout, now), pause=None)


def reason(rollout: Rollout) -> str:
    """Why the alias moves, with the evidence."""
    if not rollout.steps:
        return f"rollout {rollout.name}: replaced at once"
    judged = rollout.judged
    if judged is None:
        return f"rollout {rollout.name}: no evidence"
    beside = f"nothing worse in {judged.here:,} copies; " if rollout.policy.strategy == "blue-green" else ""
    return f"rollout {rollout.name}: {beside}{good_words(judged.standings)}"


def matured(rollout: Rollout, seen: Observed, now: datetime) -> Rollout:
    """All labels have had time to come, and did not convict it: it stays, and what they left open is said."""
    if not isinstance(rollout.phase, Owing):
        return rollout
    losses = seen.losses
    why = f"its labels did not decide: {losses.labelled} came in time, {losses.waiting} did not"
    return _ended(rollout, "promoted", why, now, judge(rollout.policy, seen))


# -- what a person says


def paused(rollout: Rollout, by: str, why: str, now: datetime) -> Rollout:
    if rollout.pause or not rollout.open:
        return rollout
    return _next(rollout, rollout.phase, pause=Pause(since=now, by=by, why=why))


def resumed(rollout: Rollout) -> Rollout:
    return _next(rollout, rollout.phase, pause=None) if rollout.pause and rollout.open else rollout


def stepped(rollout: Rollout, now: datetime) -> Rollout:
    """On to the next step, whatever is known: a person's word. From copies back to the canary's step; after the last one,
    the alias moves; after a switch, nobody stands by any longer."""
    phase = rollout.phase
    if isinstance(phase, Standby):
        return alone(rollout, "nobody stands by any longer, by a person's word", now)
    if not isinstance(phase, Watching):
        return rollout
    return _next(rollout, _after(phase), stretches=_closed(rollout, now), pause=None)


def aborted(rollout: Rollout, why: str, now: datetime, judged: Judged | None = None) -> Rollout:
    """The champion is to answer everything again. Of one that has been promoted, nothing is left to abort."""
    if isinstance(rollout.phase, Owing | Standby | Ended | Withdrawing):
        return rollout
    return _withdrawn(rollout, "aborted", why, now, judged)


def superseded(rollout: Rollout, by: str, now: datetime) -> Rollout:
    """Its labels are waited for no longer, because the next rollout begins; or it is the champion no longer."""
    if isinstance(rollout.phase, Standby):
        phase = Withdrawing(result="superseded", why=by)
        return _next(rollout, phase, stretches=_closed(rollout, now), pause=None)
    return _ended(rollout, "superseded", by, now) if isinstance(rollout.phase, Owing) else rollout


def moved_to(rollout: Rollout, champion: int | None, by: str, now: datetime) -> Rollout:
    """After a switch somebody has moved the alias: to whom it replaced, as `by` tells, or to a third version. The same one
    where it names the version."""
    if champion == rollout.version:
        return rollout
    if champion == rollout.champion:
        return convicted(rollout, by, now)
    return superseded(rollout, f"version {champion} is the champion", now)


def convicted(rollout: Rollout, why: str, now: datetime) -> Rollout:
    """The alias has gone back, in the same transaction; whoever got copies is the champion, and gets none."""
    return _went_back(rollout, why, now) if rollout.switched else rollout


# -- how it goes on


def _forward(rollout: Rollout, judged: Judged, now: datetime) -> Rollout:
    phase, patience = rollout.phase, rollout.policy.patience
    assert isinstance(phase, Watching)
    lasted = (now - rollout.stretches[-1].since).total_seconds()
    if _is_enough(rollout, phase, judged, lasted):
        return _next(rollout, _after(phase), stretches=_closed(rollout, now), judged=judged)
    if patience is None or lasted < patience:
        return rollout
    if may_turn_to_copies(rollout.policy) and not had_copies(rollout, phase.step):
        copies = Opening(step=phase.step, copies=True)
        return _next(rollout, copies, stretches=_closed(rollout, now), judged=judged)
    return _withdrawn(rollout, "undecided", undecided_words(rollout.policy, judged), now, judged)


def _is_enough(rollout: Rollout, phase: Watching, judged: Judged, lasted: float) -> bool:
    """Whether the evidence of a step leads on. Copies decide by verdicts alone, like a last step."""
    policy = rollout.policy
    if judged.here < policy.units:
        return False
    if phase.copies:
        return not missing(policy, judged)
    if phase.step < len(rollout.steps) - 1:
        return True
    known = policy.switches or not missing(policy, judged)
    return known and lasted >= policy.bake


def _after(phase: Watching) -> Opening:
    """What follows a step that is through: no step is skipped, and copies lead to the step that was undecided."""
    return Opening(step=phase.step if phase.copies else phase.step + 1)


def _judged_on_standby(rollout: Rollout, seen: Observed, now: datetime) -> Rollout:
    """By what both versions made of the same requests, the predecessor of copies."""
    phase = rollout.phase
    assert isinstance(phase, Standby)
    if not phase.opened:
        return rollout
    if seen.gone:
        return alone(rollout, f"its predecessor's workers are gone: {seen.gone}", now)
    judged = judge(rollout.policy, seen)
    if worse(judged):
        return _went_back(rollout, because(worse(judged)), now, judged)
    if seen.displaced is not None:
        again = msgspec.structs.replace(phase, opened=False)
        return _next(rollout, again, stretches=_closed(rollout, seen.displaced))
    if _is_standing_by(rollout, phase, now):
        return rollout
    return alone(rollout, copies_on_standby(judged), now)


def _is_standing_by(rollout: Rollout, phase: Standby, now: datetime) -> bool:
    return rollout.pause is not None or (now - phase.since).total_seconds() < rollout.policy.standby


def _stays(rollout: Rollout, why: str, now: datetime) -> Rollout:
    """The version is the champion: for good, or until its labels convict it."""
    if rollout.policy.quality is None or not rollout.steps or _known_by_labels(rollout):
        return _ended(rollout, "promoted", why, now)
    return _next(rollout, Owing(since=now))


def _went_back(rollout: Rollout, why: str, now: datetime, judged: Judged | None = None) -> Rollout:
    closed = msgspec.structs.replace(rollout, stretches=_closed(rollout, now))
    return _ended(closed, "rolled back", why, now, judged)


def _judged_again(rollout: Rollout, seen: Observed, now: datetime) -> Rollout:
    """By labels alone: while it is the champion, nothing else of it is compared."""
    judged = judge(rollout.policy, seen)
    quality = judged.of("quality")
    if quality is None or quality.verdict == "undecided":
        return rollout
    if quality.verdict in GOOD:
        return _ended(rollout, "promoted", standing_words(quality), now, judged)
    return _ended(rollout, "rolled back", standing_words(quality), now, judged)


def _known_by_labels(rollout: Rollout) -> bool:
    quality = rollout.judged.of("quality") if rollout.judged else None
    return quality is not None and quality.verdict in GOOD


def _reopened(rollout: Rollout, until: datetime) -> Rollout:
    """Another table holds than the rollout's: what is counted ends where the challenger was last asked."""
    assert isinstance(rollout.phase, Watching)
    again = Opening(step=rollout.phase.step, copies=rollout.phase.copies)
    return _next(rollout, again, stretches=_closed(rollout, until))


def _withdrawn(
    rollout: Rollout,
    result: Literal["aborted", "undecided"],
    why: str,
    now: datetime,
    judged: Judged | None,
) -> Rollout:
    phase = Withdrawing(result=result, why=why)
    return _next(rollout, phase, stretches=_closed(rollout, now), judged=judged or rollout.judged)


def _closed(rollout: Rollout, until: datetime) -> tuple[Stretch, ...]:
    if not rollout.stretches or rollout.stretches[-1].until is not None:
        return rollout.stretches
    *before, last = rollout.stretches
    return (*before, msgspec.structs.replace(last, until=max(until, last.since)))


def _ended(
    rollout: Rollout, result: Result, why: str, now: datetime, judged: Judged | None = None
) -> Rollout:
    return _next(rollout, Ended(result=result, why=why, at=now), pause=None, judged=judged or rollout.judged)


def _next(rollout: Rollout, phase: Phase, **changes: object) -> Rollout:
    return msgspec.structs.replace(rollout, phase=phase, revision=rollout.revision + 1, **changes)
