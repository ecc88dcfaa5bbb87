"""`[model.x.rollout]`: how a candidate that passed its gates takes over, and by what evidence."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, cast

from noria.app.sections import COUNT, NOT_NEGATIVE, PROBABILITY, SPAN, Rule, Section, matches, shown
from noria.records.rollouts import STRATEGIES, RolloutPolicy, Strategy, Undecided

STRATEGY = Rule('"shadow", "canary", "blue-green" or "replace"', STRATEGIES.__contains__)
RATIO = Rule("1 or more", lambda x: 1 <= x < 1e6)
MARGIN = Rule("between 0 and 1", lambda x: 0 < x < 1)
LATENCY = Rule("above 0", lambda x: x > 0)
LABELS = Rule('"later" or "wait"', ("later", "wait").__contains__)
UNDECIDED = Rule('"shadow", "end" or, of a blue-green, "switch"', ("shadow", "end", "switch").__contains__)
BLOCK = Rule('a count and a unit of s, m, h, d, w, as in "1d"', matches(SPAN))
ALPHA = Rule("between 0 and 1; it is shared by all metrics", PROBABILITY.holds)

UNSAID: Undecided = "shadow"
USUAL = RolloutPolicy(undecided=UNSAID)
"""Of a project that says nothing of its rollouts."""


def rollout_of(model: Section) -> RolloutPolicy | None:
    """`[model.x.rollout]`; None where it is not there."""
    section = model.table("rollout")
    if "rollout" not in model:
        return None
    usual = USUAL
    policy = RolloutPolicy(
        strategy=cast("Strategy", section.text("strategy", usual.strategy, STRATEGY)),
        steps=_steps(section, usual.steps),
        false_alarm=section.number("false_alarm", usual.false_alarm, ALPHA),
        units=section.whole("units", usual.units, COUNT),
        ratio=section.number("ratio", usual.ratio, RATIO),
        margin=section.number("margin", usual.margin, MARGIN),
        latency_ms=section.number("latency_ms", None, LATENCY),
        predictions=section.number("predictions", None, MARGIN),
        quality=section.number("quality", None, NOT_NEGATIVE),
        block=section.text("block", usual.block, BLOCK),
        labels=cast("Literal['later', 'wait']", section.text("labels", usual.labels, LABELS)),
        bake=section.seconds("bake", usual.bake),
        standby=section.seconds("standby", usual.standby),
        patience=section.seconds("patience", None),
        undecided=cast("Undecided", section.text("undecided", UNSAID, UNDECIDED)),
    )
    _check_together(section, policy)
    section.close()
    return policy


def _check_together(section: Section, policy: RolloutPolicy) -> None:
    if "steps" in section and policy.strategy != "canary":
        section.fault(
            "steps", f"does nothing with strategy {shown(policy.strategy)}: only a canary has steps"
        )
    if "standby" in section and policy.strategy != "blue-green":
        section.fault(
            "standby",
            f"does nothing with strategy {shown(policy.strategy)}: only after the switch of a blue-green",
        )
    for key in ("labels", "block"):
        if key in section and policy.quality is None:
            section.fault(key, "does nothing without quality, the loss that a row may have more")
    if "undecided" in section and (problem := _of_undecided(policy)):
        section.fault("undecided", problem)
    if policy.patience is not None and policy.bake >= policy.patience:
        section.fault("patience", "is over before bake is, so that no rollout could end well")


def _of_undecided(policy: RolloutPolicy) -> str:
    """Why this word says nothing here; empty where it does."""
    if policy.undecided == "switch":
        only = 'is "switch": only a blue-green, which nobody has seen an answer of, switches on what is undecided'
        return "" if policy.strategy == "blue-green" else only
    if policy.strategy != "canary":
        return f"does nothing with strategy {shown(policy.strategy)}: only of a canary"
    return (
        ""
        if policy.patience is not None
        else "does nothing without patience, after which a step is undecided"
    )


def _steps(section: Section, usual: tuple[float, ...]) -> tuple[float, ...]:
    given = section.take("steps")
    if given is None:
        return usual
    if not isinstance(given, list) or not given:
        section.fault("steps", f'is {shown(given)}: write ["5%", "25%", "50%"]')
        return usual
    steps = [share_of(one) for one in given]
    for one, step in zip(given, steps, strict=True):
        if step is None:
            section.fault(
                "steps", f'has {shown(one)}, which is no share above 0 and under 1: write "5%" or 0.05'
            )
    found = [step for step in steps if step is not None]
    if len(found) == len(given) and any(later <= one for one, later in pairwise(found)):
        section.fault("steps", f"is {shown(given)}: each step must be larger than the one before")
    return tuple(found) or usual


def share_of(given: object) -> float | None:
    """`"5%"`, `"0.05"` or 0.05; None for what is no share between 0 and 1."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    text = str(given)
    number = text.removesuffix("%")
    if not re.fullmatch(r"\d+(\.\d*)?(e-\d+)?|\.\d+", number):
        return None
    share = float(number) / (100.0 if text.endswith("%") else 1.0)
    return share if 0.0 < share < 1.0 else None
