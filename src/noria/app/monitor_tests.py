"""Each sequential test of a champion as a reader sees it: its evidence against its threshold, how far it is on its way, and
what was measured beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import log
from typing import Literal

from noria.app.pages.words import figure
from noria.monitor.drift import rung
from noria.records.base import Record
from noria.records.monitoring import Block, RiskState, SegmentRisk
from noria.records.sights import Baseline, Evidence, Sight

WEEK = 7  # newest blocks that a mean is told of: one alone is a stormy day
PROOF = "proof that it is beyond the tolerance"
State = Literal["quiet", "tolerated", "alarm", "deaf"]
"""`tolerated`: it has changed for certain, and is not proved to have changed by more than the tolerance, which alarms."""


class Shift(Record, kw_only=True):
    """How far a distribution has moved, as measured: an estimate beside the evidence, which decides."""

    distance: float
    """Between what training had and the newest half of the blocks or more, from 0 to 1."""
    tolerated: float = 0.0
    """What it may be without an alarm."""
    moved: str = ""
    """What of the distribution moved most."""
    mean: float | None = None
    """Of a column of numbers, over the rows of the newest blocks, a week of days."""
    before: float | None = None
    """In the training data."""


class Test(Record, kw_only=True):
    """One sequential test, after the newest block."""

    family: Literal["risk", "segment", "drift", "prediction"]
    subject: str = ""
    state: State
    e_value: float
    """The highest so far, which is what alarms."""
    threshold: float
    share: float
    """How far it is on its way, by the exponent: 1 at the alarm."""
    blocks: int
    note: str
    """Figures beside the evidence, and what would be needed."""
    history: tuple[float, ...] = ()
    """Evidence after each block, the oldest first."""
    starts: tuple[datetime, ...] = ()
    """When each of these blocks began."""
    shift: Shift | None = None
    """Of a drift."""


def risk_tests(states: Sequence[RiskState], scored: Sequence[Block]) -> Iterator[Test]:
    """The whole's, then the segments', those nearest to an alarm first; `states` as after each of the blocks `scored`."""
    if not states:
        return
    last = states[-1]
    begun = {block.end: block.start for block in scored}
    starts = tuple(begun[state.scored_until] for state in states if state.scored_until in begun)
    losses = [block.loss for block in scored if block.loss is not None]
    loss = f"loss {losses[-1]:.4g} in the newest block, " if losses else ""
    yield _test(
        family="risk",
        state="deaf" if last.deaf else None,
        now=last.e_value,
        past=tuple(state.e_value for state in states),
        starts=starts,
        threshold=last.threshold,
        blocks=last.blocks,
        note=f"{loss}bound {last.bound:.4g}",
    )
    for at, one in sorted(enumerate(last.segments), key=lambda item: -item[1].e_value / item[1].threshold):
        past = tuple(state.segments[at].e_value for state in states if len(state.segments) > at)
        yield _test(
            family="segment",
            subject=one.name,
            now=one.e_value,
            past=past,
            starts=starts[-len(past) :],
            threshold=one.threshold,
            blocks=one.blocks,
            note=_of(one),
        )


def _of(one: SegmentRisk) -> str:
    loss = "no rows yet" if one.loss is None else f"loss {one.loss:.4g}"
    return f"{loss}, bound {one.bound:.4g}{', declared' if one.declared else ''}"


def drift_tests(
    sights: Sequence[Sight], family: Literal["drift", "prediction"], baseline: Baseline
) -> Iterator[Test]:
    """Those nearest to an alarm first."""
    if not sights:
        return
    newest: dict[str, Evidence] = getattr(sights[-1], family)
    for name, one in sorted(newest.items(), key=lambda item: -item[1].share):
        past = [sight for sight in sights if name in getattr(sight, family)]
        changed = one.peak >= one.threshold
        state: State = "alarm" if rung(one) else "tolerated" if changed else "quiet"
        seen = sum(not sight.cut for sight in sights) - sights[-1].thin
        shift = _shift(past, family, name, one, baseline)
        note = shift_words(shift) if seen > 0 else "no block had rows enough yet"
        if state == "tolerated":
            note += f"; not proved to be beyond the tolerance (proof {one.proved:.3g} of {figure(one.proof)})"
        yield _test(
            family=family,
            subject=name,
            state=state,
            now=one.e_value,
            peak=one.peak,
            past=tuple(getattr(sight, family)[name].e_value for sight in past),
            starts=tuple(sight.start for sight in past),
            threshold=one.threshold,
            blocks=seen,
            note=note,
            share=one.share,
            proof=(one.proved, one.proof) if one.lacks_proof else None,
            shift=shift,
        )


def _shift(
    past: Sequence[Sight],
    family: Literal["drift", "prediction"],
    name: str,
    one: Evidence,
    baseline: Baseline,
) -> Shift:
    told = {"moved": one.moved, "distance": one.distance, "tolerated": _tolerated(baseline, family)}
    spec = next((spec for spec in baseline.columns if spec.name == name), None)
    if family == "prediction" or spec is None or spec.mean is None:
        return Shift(**told)  # type: ignore[arg-type]
    return Shift(**told, mean=_recent_mean(past[-WEEK:], name), before=spec.mean)  # type: ignore[arg-type]


def _tolerated(baseline: Baseline, family: Literal["drift", "prediction"]) -> float:
    reference = getattr(baseline, family) or {}
    return float.fromhex(reference["tolerance"]) if "tolerance" in reference else 0.0


def _recent_mean(newest: Sequence[Sight], name: str) -> float | None:
    """Over the rows of some blocks that have a value."""
    means = [
        (one.rows * (1.0 - seen.missing), seen.mean)
        for one in newest
        if (seen := one.columns.get(name)) is not None and seen.mean is not None
    ]
    rows = sum(weight for weight, _ in means)
    return sum(weight * mean for weight, mean in means) / rows if rows else None


def shift_words(one: Shift) -> str:
    """`distance 0.12 (0.1 is tolerated), location moved most, mean 1043.2 (1040.1 in training)`"""
    told = f"distance {one.distance:.2g}"
    told += f" ({one.tolerated:g} is tolerated)" if one.tolerated else ""
    told += f", {one.moved} moved most" if one.moved else ""
    if one.mean is not None and one.before is not None:
        told += f", mean {figure(one.mean)} ({figure(one.before)} in training)"
    return told


def _test(
    *,
    family: Literal["risk", "segment", "drift", "prediction"],
    now: float,
    past: tuple[float, ...],
    starts: tuple[datetime, ...],
    threshold: float,
    blocks: int,
    note: str,
    subject: str = "",
    state: State | None = None,
    peak: float | None = None,
    share: float | None = None,
    proof: tuple[float, float] | None = None,
    shift: Shift | None = None,
) -> Test:
    """`state`, `peak` and `share`: by the evidence alone, unless they are given. `proof`: so far and wanted, where `share` is of it."""
    peak = max(past) if peak is None else peak
    known = state or ("alarm" if peak >= threshold else "quiet")
    share = min(1.0, log(max(peak, 1.0)) / log(threshold) if share is None else share)
    return Test(
        family=family,
        subject=subject,
        state=known,
        e_value=peak,
        threshold=threshold,
        share=share,
        blocks=blocks,
        note=note + _needed(known, share, proof or (now, threshold), PROOF if proof else "evidence"),
        history=past,
        starts=starts,
        shift=shift,
    )


def _needed(state: State, share: float, so_far: tuple[float, float], what: str) -> str:
    """How far it is on its way, and what is needed to ring beside the evidence of now, or the proof, that `share` is of."""
    if state == "deaf":
        return "; no loss can ring it: the holdout has too few blocks"
    if state != "quiet":
        return ""
    times = so_far[1] / max(so_far[0], 1.0)
    about = figure(float(f"{times:.2g}"))
    needed = f", about {about} times the {what} is needed" if times > 1.0 else ""
    return f"; {share:.0%} of the way{needed}"
