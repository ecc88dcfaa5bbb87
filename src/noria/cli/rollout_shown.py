"""A rollout as `noria rollout` shows it."""

from __future__ import annotations

from noria.app.rollouts.verbs import Standing as Seen
from noria.cli.render import NONE, fields, paint, span, table, when
from noria.records.rollouts import Judged, Quantile, Rollout, Standing
from noria.rollout.words import MORE_UNITS, phase_words, unit_of


def lines_of(standing: Seen) -> list[str]:
    """A rollout as it stands."""
    rollout, judged = standing.rollout, standing.judged
    lines = [paint(f"{rollout.name}  {way(rollout)}", "bold")]
    rehearsal = rollout.rehearsal
    back = None
    if rehearsal is not None:
        same = {True: f", the same {rehearsal.rows} answers", None: ", no logged answers to compare"}
        back = (
            rehearsal.problem
            or f"rehearsed in {rehearsal.seconds:.1f} s{same.get(rehearsal.same, ', OTHER ANSWERS')}"
        )
    pause = rollout.pause
    lines += fields(
        [
            ("standing", phase_words(rollout)),
            ("paused", f"by {pause.by}, {when(pause.since)}: {pause.why}" if pause else None),
            ("waits for", standing.waiting),
            ("begun", f"{when(rollout.started)}, by {rollout.by}"),
            ("way back", back),
            ("evidence", _evidence(rollout, judged)),
            ("labels", _labels(judged)),
        ]
    )
    if judged and judged.standings:
        lines += ["", *metric_table(judged)]
    if judged and any(judged.took):
        lines += ["", *latency_table(rollout, judged)]
    return lines


def _evidence(rollout: Rollout, judged: Judged | None) -> str | None:
    if judged is None:
        return None
    rate = f", {judged.rate:.3g} a second" if judged.rate else ""
    split = f"; split of the units: e-value {judged.split:.3g} of {1 / judged.split_alpha:.0f}"
    return (
        f"{judged.here:,} units of the challenger in this step{rate}, {judged.wanted:,} at least{split}; "
        f"error budget {rollout.policy.false_alarm:g} in all"
    )


def _labels(judged: Judged | None) -> str | None:
    if judged is None or not (judged.labelled or judged.waiting):
        return None
    return f"{judged.labelled:,} answers have one, {judged.waiting:,} are owed"


def metric_table(judged: Judged) -> list[str]:
    """A line a metric."""
    head = (
        "metric",
        "verdict",
        "measure",
        "estimate",
        "interval",
        "limit",
        "e-value",
        "alpha",
        "units",
        "needs",
    )
    return table(head, [_row(one, judged) for one in judged.standings])


def latency_table(rollout: Rollout, judged: Judged) -> list[str]:
    """How long both versions' first answers take, with what is known of it."""
    levels = [f"p{100 * one.level:g}" for one in judged.took[0] or judged.took[1]]
    named = zip((rollout.version, rollout.champion), judged.took, strict=True)
    rows = [(f"{rollout.model}:{number}", *map(_took, took)) for number, took in named if took]
    return table(("first answers, ms", *levels), rows)


def _took(one: Quantile) -> str:
    return f"{one.estimate:.3g} ({_number(one.lower, '0')} to {_number(one.upper, 'inf')})"


def _row(one: Standing, judged: Judged) -> tuple[object, ...]:
    interval = f"{_number(one.lower, '-inf')} to {_number(one.upper, 'inf')}"
    return (
        one.metric,
        paint(one.verdict, {"worse": "red", "undecided": "yellow"}.get(one.verdict, "green")),
        one.measure,
        _number(one.estimate, NONE),
        interval,
        f"{one.limit:g}",
        _number(one.e_value, NONE),
        f"{one.alpha:.2g}",
        f"{one.units[0]:,} and {one.units[1]:,}",
        _needs(one, judged),
    )


def _needs(one: Standing, judged: Judged) -> str:
    """How much more until a verdict, and how long that takes as things go."""
    rate = judged.rate
    if one.verdict != "undecided":
        return ""
    if one.scarce:
        came = judged.came
        return f"more units than come: {came.units:,} came so far, {came.again:,} of them again"
    if one.lacks_units:
        return MORE_UNITS
    if one.needed is None:
        return "more than can be told"
    more = f"{one.needed:,} more {unit_of(one)}"
    return f"{more}, {span(one.needed / rate)}" if rate and one.measure != "loss" else more


def _number(value: float | None, none: str) -> str:
    return none if value is None else f"{value:.3g}"


def way(rollout: Rollout) -> str:
    """`delay:8 in the place of delay:7, by canary, 5 %, 25 %`"""
    steps = [f"{100 * one:.6g} %" for one in rollout.steps if one]
    by = f"{rollout.policy.strategy}{', ' + ', '.join(steps) if steps else ''}"
    return f"{rollout.model}:{rollout.version} in the place of {rollout.model}:{rollout.champion}, by {by}"
