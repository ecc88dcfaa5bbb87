"""A rollout's verdicts by simulation: all of them together wrong no more often than promised, at any look of any step; harm seen
within the evidence that theory needs; and the simulation itself able to fail.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from noria.records.rollouts import (
    Counted,
    Firsts,
    Losses,
    Observed,
    Rehearsal,
    Rollout,
    RolloutPolicy,
    Withdrawing,
)
from noria.rollout import machine
from noria.rollout.judge import judge, metrics_of
from noria.statistics.rates import Stretch, rate_verdict
from property.bounds import surely_over
from property.simulated_rollouts import LOOKS, STEPS, Drawn, Truth, doubtful, draw

ROLLOUTS, SEED = 300, 20130101
POLICY = RolloutPolicy(latency_ms=50.0, predictions=0.15, quality=0.02)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LAST = LOOKS * len(STEPS) - 1
BY_UNITS = msgspec.structs.replace(POLICY, quality=None)
ALIKE = Truth()
AT_THE_LIMIT = Truth(failed=(0.05, 0.04), slow=(0.10, 0.08), apart=0.12, loss=0.02)
"""Of each metric exactly what is tolerated: neither "worse" nor "not worse" is true."""


def is_wrong(truth: Truth, policy: RolloutPolicy, drawn: Drawn, rollout: int, look: int) -> bool:
    return truth.contradicts(judge(policy, drawn.seen(rollout, look)), policy)


@pytest.mark.parametrize(
    ("truth", "policy"),
    [
        (ALIKE, msgspec.structs.replace(POLICY, quality=0.0)),
        (AT_THE_LIMIT, msgspec.structs.replace(POLICY, predictions=0.12)),
    ],
    ids=["alike", "at the limit"],
)
def test_all_verdicts_of_a_rollout_are_wrong_no_more_often_than_promised(
    truth: Truth, policy: RolloutPolicy
) -> None:
    assert len(metrics_of(policy)) == 5
    drawn = draw(truth, ROLLOUTS, SEED)
    asked = dict(doubtful(drawn, truth, policy))
    wrong = sum(any(is_wrong(truth, policy, drawn, one, look) for look in asked[one]) for one in asked)
    assert not surely_over(wrong, ROLLOUTS, policy.false_alarm)
    for one, look in np.random.default_rng(SEED).integers(0, (ROLLOUTS, LAST + 1), (10, 2)):
        if look not in asked.get(one, ()):  # nothing is overlooked by asking there alone
            assert not is_wrong(truth, policy, drawn, one, look)


def wrong_in_the_end(drawn: Drawn, spoil: Callable[[Observed], Observed]) -> int:
    return sum(
        ALIKE.contradicts(judge(BY_UNITS, spoil(drawn.seen(rollout, LAST))), BY_UNITS)
        for rollout in range(len(drawn.units))
    )


def requests_for_units(seen: Observed) -> Observed:
    """Each unit that fails does so ten times, and each time is counted."""
    counted = tuple(
        msgspec.structs.replace(one, failed=(10 * one.failed[0], 10 * one.failed[1])) for one in seen.counted
    )
    return msgspec.structs.replace(seen, counted=counted)


def one_share_for_all_steps(seen: Observed) -> Observed:
    def total(of: str) -> tuple[int, int]:
        pairs = [getattr(one, of) for one in seen.counted]
        return sum(mine for mine, _ in pairs), sum(own for _, own in pairs)

    counted = Counted(share=STEPS[-1], units=total("units"), failed=total("failed"), slow=total("slow"))
    return msgspec.structs.replace(seen, counted=(counted,))


def test_the_simulation_turns_red_on_planted_defects() -> None:
    few = 30
    units = draw(ALIKE, few, SEED)
    assert surely_over(wrong_in_the_end(units, requests_for_units), few, POLICY.false_alarm)
    assert surely_over(wrong_in_the_end(units, one_share_for_all_steps), few, POLICY.false_alarm)
    assert not surely_over(wrong_in_the_end(units, lambda seen: seen), few, POLICY.false_alarm)


def test_units_that_come_by_another_share_are_found() -> None:
    crooked = draw(Truth(shares=(0.08, 0.30, 0.55)), 30, SEED)
    assert sum(judge(BY_UNITS, crooked.seen(rollout, LAST)).broken for rollout in range(30)) >= 28


# -- power: who is harmful is taken back, by the metric that shows it, within the evidence that theory needs


def watching(share: float) -> Rollout:
    policy = msgspec.structs.replace(POLICY, steps=(share,))
    first = Rollout(model="m", number=1, version=2, champion=1, policy=policy, started=NOON, by="ada")
    return machine.opened(machine.rehearsed(first, Rehearsal(version=1, whole=True, same=True)), NOON)


def units_that_theory_needs(share: float, rates: tuple[float, float]) -> int:
    """Units of both versions until the events that are expected among them refute the tolerated ratio."""
    alpha = POLICY.false_alarm / len(metrics_of(POLICY)) / 2.0

    def convicts(units: int) -> bool:
        events = round(units * share * rates[0]), round(units * (1.0 - share) * rates[1])
        return rate_verdict([Stretch(*events, share)], margin=POLICY.ratio, alpha=alpha) == "worse"

    return next(units for units in range(50, 100_000, 50) if convicts(units))


def expected(share: float, units: int, **events: tuple[float, float]) -> Observed:
    """What `units` units show, drawn."""
    random = np.random.default_rng(SEED + units)
    mine = int(random.binomial(units, share))
    both = mine, units - mine
    found = {name: tuple(int(one) for one in random.binomial(both, rates)) for name, rates in events.items()}
    counted = Counted(share=share, units=both, **found)  # type: ignore[arg-type]
    new, old = ({name: pair[at] for name, pair in found.items()} for at in (0, 1))
    return Observed(
        counted=(counted,),
        here=both,
        challenger=Firsts(units=mine, **new),
        champion=Firsts(units=both[1], **old),
    )


@pytest.mark.parametrize("share", STEPS)
@pytest.mark.parametrize(
    ("metric", "event", "rates"),
    [("errors", "failed", (0.02, 0.0)), ("slow", "slow", (0.10, 0.01))],
    ids=["2 % fail", "a tenth takes twice as long"],
)
def test_harm_is_taken_back_within_the_evidence_that_theory_needs(
    share: float, metric: str, event: str, rates: tuple[float, float]
) -> None:
    """Twice as many units as an average course needs, and it is convicted; with a fifth, it is not."""
    needed = units_that_theory_needs(share, rates)
    taken_back = machine.advance(watching(share), expected(share, 2 * needed, **{event: rates}), NOON)
    assert isinstance(taken_back.phase, Withdrawing)
    assert taken_back.phase.why.startswith(f"{metric}: worse")
    early = machine.advance(watching(share), expected(share, needed // 5, **{event: rates}), NOON)
    assert not isinstance(early.phase, Withdrawing)


def test_a_loss_that_rose_is_taken_back_within_the_blocks_that_theory_needs() -> None:
    """A block's difference is an eighth over what is tolerated, with a spread of an eighth. No bet on signs more than doubles
    in a block, and one of the size of the spread gains a fourth of a nat."""
    alpha = POLICY.false_alarm / len(metrics_of(POLICY)) / 2.0
    least, most = math.log(1.0 / alpha) / math.log(2.0), 4.0 * math.log(3.0 / alpha)
    rose = np.random.default_rng(SEED).normal(0.02 + 0.125, 0.125, (10, round(most)))
    assert convicted(rose[:, : math.ceil(least) - 1]) == 0
    assert convicted(rose) >= 5


def convicted(paths: NDArray[np.float64]) -> int:
    """How many are taken back for their losses alone."""
    seen = (Observed(losses=Losses(differences=tuple(path.tolist()))) for path in paths)
    ends = [machine.advance(watching(0.5), one, NOON).phase for one in seen]
    return sum(isinstance(one, Withdrawing) and one.why.startswith("quality: worse") for one in ends)
