"""The figure of docs/rollouts.md: what a canary's tests say as units come, for challengers of three kinds.

    python bench/rollout_evidence.py docs/rollouts.png

Simulated units (seeded), judged by `noria.rollout.judge` as a real rollout's are: steps of 5, 25 and 50 %, a champion that fails at
1 % of the units.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from noria.records.rollouts import Counted, Firsts, Observed, RolloutPolicy
from noria.rollout.judge import difference_bounds, judge
from noria.statistics import Stretch, compare_rates

CHAMPION = 0.01
CHALLENGERS = {"fails at 1 %, as the champion does": 0.01, "fails at 3 %": 0.03, "fails at 6 %": 0.06}
COLOURS = ("#0b6e4f", "#c77700", "#b3261e")
STEPS = ((0.05, 4_000), (0.25, 8_000), (0.50, 12_000))  # share, and how many units come in the step
EVERY = 100  # units between two looks
HALF = 12_000  # units: where words stand left of their point
POLICY = RolloutPolicy(steps=tuple(share for share, _ in STEPS))


def looks(rate: float, seed: int) -> tuple[list[int], list[Observed]]:
    """Units so far, and all that is counted, at each look."""
    random = np.random.default_rng(seed)
    counted: list[Counted] = []
    units, said = [], []
    mine, own = Firsts(), Firsts()
    for share, many in STEPS:
        counted.append(Counted(share=share))
        for _ in range(many // EVERY):
            new = int(random.binomial(EVERY, share))
            failed = int(random.binomial(new, rate)), int(random.binomial(EVERY - new, CHAMPION))
            before = counted[-1]
            counted[-1] = Counted(
                share=share,
                units=(before.units[0] + new, before.units[1] + EVERY - new),
                failed=(before.failed[0] + failed[0], before.failed[1] + failed[1]),
            )
            mine = Firsts(units=mine.units + new, failed=mine.failed + failed[0])
            own = Firsts(units=own.units + EVERY - new, failed=own.failed + failed[1])
            units.append((units[-1] if units else 0) + EVERY)
            said.append(Observed(counted=tuple(counted), challenger=mine, champion=own))
    return units, said


def main(path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (harm, bound) = plt.subplots(2, 1, figsize=(10, 6.6), dpi=150, layout="constrained", sharex=True)
    for (name, rate), colour in zip(CHALLENGERS.items(), COLOURS, strict=True):
        units, seen = looks(rate, seed=round(100 * rate) + 4)
        decided, verdict = first_verdict(seen)
        units, seen = units[: decided + 1], seen[: decided + 1]
        lower, upper = [ratio_at_least(one) for one in seen], [100 * difference_at_most(one) for one in seen]
        harm.plot(units, lower, color=colour, linewidth=2, label=f"challenger that {name}")
        bound.plot(units, upper, color=colour, linewidth=2)
        axes, height = (harm, lower[-1]) if verdict == "worse" else (bound, upper[-1])
        axes.plot(units[-1], height, "o", color=colour, markersize=8)
        axes.annotate(
            f"{verdict}, after {units[-1]:,} units",
            (units[-1], height),
            textcoords="offset points",
            xytext=(8, 8) if units[-1] < HALF else (-8, 12),
            ha="left" if units[-1] < HALF else "right",
            color=colour,
            fontsize=9,
        )
    _frame(harm, bound)
    figure.suptitle(
        "A canary, looked at after every 100 units; its champion fails at 1 % of them", fontsize=11
    )
    figure.savefig(path)


def _frame(harm: Any, bound: Any) -> None:
    """Limits, steps and words of both pictures."""
    harm.axhline(POLICY.ratio, color="#555555", linewidth=1, linestyle="--")
    harm.set_ylim(0, 3)
    harm.set_ylabel("fails at least so many\ntimes as often")
    harm.legend(loc="upper center", fontsize=9, frameon=False)
    bound.axhline(100 * POLICY.margin, color="#555555", linewidth=1, linestyle="--")
    bound.set_ylim(0, 8)
    bound.set_ylabel("at most so many more of all\nunits fail (percentage points)")
    bound.set_xlabel("units of both versions")
    at = 0
    for share, many in STEPS:
        for axes in (harm, bound):
            axes.axvline(at, color="#bbbbbb", linewidth=0.8, linestyle=":")
        bound.text(at + 150, 7.3, f"{100 * share:g} %", color="#777777", fontsize=9)
        at += many
    for axes in (harm, bound):
        axes.spines[["top", "right"]].set_visible(False)


def first_verdict(seen: list[Observed]) -> tuple[int, str]:
    """At which look there is one, and which."""
    for at, one in enumerate(seen):
        errors = judge(POLICY, one).standings[0]
        if errors.verdict != "undecided":
            return at, errors.verdict
    return len(seen) - 1, "undecided"


ALPHA = POLICY.false_alarm / 2.0 / 2.0  # of the errors' part of the budget, half for each question


def ratio_at_least(seen: Observed) -> float:
    stretches = [Stretch(*one.failed, one.share) for one in seen.counted]
    return compare_rates(stretches, margin=POLICY.ratio, alpha=ALPHA).lower


def difference_at_most(seen: Observed) -> float:
    mine, own = seen.challenger, seen.champion
    return difference_bounds(((mine.failed, mine.units), (own.failed, own.units)), ALPHA)[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
