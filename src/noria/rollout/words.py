"""Verdicts in words: the same in events, in `noria rollout status` and in the reasons of moved aliases."""

from __future__ import annotations

from collections.abc import Sequence

from noria.records.rollouts import (
    GOOD,
    Ended,
    Judged,
    Opening,
    Owing,
    Rehearsing,
    Rollout,
    RolloutPolicy,
    Standby,
    Standing,
    Watching,
    Withdrawing,
)
from noria.rollout.judge import missing

MORE_UNITS = "more units, not more blocks"  # of what no number of differences decides


def standing_words(one: Standing) -> str:
    """`errors: worse, ratio 9.1 (2.3 to inf) over 1.25`."""
    told = f"{one.metric}: {one.verdict}"
    if one.estimate is not None or one.lower is not None:
        estimate = "none yet" if one.estimate is None else f"{one.estimate:.3g}"
        told += f", {one.measure} {estimate} ({_bound(one.lower, '-inf')} to {_bound(one.upper, 'inf')})"
        told += f", limit {one.limit:g}"
    if one.lacks_units:
        return f"{told}, needs {MORE_UNITS}"
    if one.scarce:
        return f"{told}, needs more units than come"
    if one.verdict == "undecided":
        told += "" if one.needed is None else f", needs {one.needed:,} more {unit_of(one)}"
    return told


def unit_of(one: Standing) -> str:
    """A difference of losses takes a block, or several of few rows."""
    return "differences" if one.measure == "loss" else "units"


def because(standings: Sequence[Standing]) -> str:
    return "; ".join(standing_words(one) for one in standings)


def good_words(standings: Sequence[Standing]) -> str:
    """Of what was decided, and what was left open."""
    told = [standing_words(one) for one in standings if one.verdict in GOOD]
    owed = [one.metric for one in standings if one.verdict == "undecided"]
    return "; ".join([*told, *(["not known yet: " + ", ".join(owed)] if owed else [])]) or "no metric"


def undecided_words(policy: RolloutPolicy, judged: Judged) -> str:
    """What there was no verdict of, and whether units were too few."""
    told = [standing_words(one) for one in missing(policy, judged)]
    few = f"{judged.here} of {judged.wanted} units in this step"
    return "; ".join([*told, *([few] if judged.here < judged.wanted else [])])


def phase_words(rollout: Rollout) -> str:
    """Where it stands, in one line."""
    match rollout.phase:
        case Rehearsing():
            return "the way back is to be rehearsed"
        case Opening(step=step, copies=True):
            why = f" ({undecided_words(rollout.policy, rollout.judged)})" if rollout.judged else ""
            return f"{_step(rollout, step)}, was undecided{why}: it is to answer copies of all requests alone"
        case Opening(step=step):
            return (
                "to be promoted" if step >= len(rollout.steps) else f"{_step(rollout, step)} is being opened"
            )
        case Watching(step=step, copies=True):
            return f"{_step(rollout, step)}, was undecided: copies of all requests"
        case Watching(step=step):
            return _step(rollout, step)
        case Standby(opened=opened):
            copies = "gets" if opened else "is to get"
            return f"promoted; its predecessor, version {rollout.champion}, {copies} copies of all requests"
        case Withdrawing(result="promoted" | "superseded" as result):
            return f"{result}; its predecessor is to get no copies any more"
        case Withdrawing(why=why):
            return f"being taken back: {why}"
        case Owing():
            return "promoted; its labels are still owed"
        case Ended(result=result, why=why):
            return f"{result}: {why}"


def _step(rollout: Rollout, step: int) -> str:
    if rollout.policy.strategy != "canary":
        return "copies of all requests"
    share = 100 * rollout.steps[step]
    return f"step {step + 1} of {len(rollout.steps)}, {share:.6g} % of the units"


def _bound(value: float | None, none: str) -> str:
    return none if value is None else f"{value:.3g}"
