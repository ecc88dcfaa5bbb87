"""Verdicts: what few failures, many, or none of them say; one budget for all."""

from __future__ import annotations

import math

import msgspec
import pytest

from noria.records.base import canonical, parse
from noria.records.rollouts import Counted, Firsts, Losses, Observed, RolloutPolicy, Standing
from noria.rollout.judge import judge, metrics_of, missing
from noria.rollout.words import standing_words

POLICY = RolloutPolicy()
QUIET = Observed(
    counted=(Counted(share=0.1, units=(500, 4500)),),
    challenger=Firsts(units=500),
    champion=Firsts(units=4500),
)


def test_without_a_failure_it_takes_units_and_says_how_many() -> None:
    errors = judge(POLICY, QUIET).standings[0]
    assert errors.verdict == "undecided"
    assert errors.needed is not None
    assert 100 < errors.needed < 2000
    enough = Observed(
        counted=(Counted(share=0.1, units=(500 + errors.needed, 13_000)),),
        challenger=Firsts(units=500 + errors.needed),
        champion=Firsts(units=4500 * (500 + errors.needed) // 500),
    )
    assert judge(POLICY, enough).standings[0].verdict == "not worse"
    assert "needs" in standing_words(errors)


def test_nothing_seen_is_undecided_and_never_passed() -> None:
    judged = judge(msgspec.structs.replace(POLICY, latency_ms=5.0, predictions=0.1, quality=0.02), Observed())
    assert [one.verdict for one in judged.standings] == ["undecided"] * 4
    assert [one.metric for one in missing(POLICY, judged)] == ["errors", "slow", "predictions"]


def test_harm_is_seen_in_a_handful_of_failures() -> None:
    bad = msgspec.structs.replace(QUIET, counted=(Counted(share=0.1, units=(500, 4500), failed=(9, 0)),))
    errors = judge(POLICY, bad).standings[0]
    assert errors.verdict == "worse"
    assert errors.measure == "ratio"


def test_harm_after_the_first_answers_is_harm_all_the_same() -> None:
    """First answers are all fine, and say so; who comes again meets errors."""
    firsts = Firsts(units=50_000)
    bad = Observed(
        counted=(Counted(share=0.5, units=(50_000, 50_000), failed=(40, 0)),),
        challenger=firsts,
        champion=firsts,
    )
    assert judge(POLICY, bad).standings[0].verdict == "worse"


def test_both_fail_alike_is_not_worse_by_the_ratio() -> None:
    firsts = Firsts(units=40_000, failed=8_000)
    same = Observed(
        counted=(Counted(share=0.5, units=(40_000, 40_000), failed=(8_000, 8_000)),),
        challenger=firsts,
        champion=firsts,
    )
    errors = judge(POLICY, same).standings[0]
    assert (errors.verdict, errors.measure) == ("not worse", "ratio")


def test_steps_are_multiplied_not_pooled() -> None:
    """A share of 1 % then of 50 %: pooled counts would look as if the challenger had too many."""
    counted = (
        Counted(share=0.01, units=(100, 9_900), failed=(1, 99)),
        Counted(share=0.5, units=(500, 500), failed=(5, 5)),
    )
    assert judge(POLICY, Observed(counted=counted)).standings[0].verdict == "undecided"
    assert not judge(POLICY, Observed(counted=counted)).broken


def test_a_split_that_is_not_as_configured_breaks_it() -> None:
    crooked = Observed(counted=(Counted(share=0.1, units=(1_000, 3_000)),))
    assert judge(POLICY, crooked).broken
    shadow = Observed(counted=(Counted(share=0.0, units=(10, 3_000)),))
    assert not judge(POLICY, shadow).broken


def test_one_budget_is_split_over_what_is_judged() -> None:
    policy = msgspec.structs.replace(POLICY, latency_ms=5.0, predictions=0.1, quality=0.02)
    judged = judge(policy, QUIET)
    assert metrics_of(policy) == ("split", "errors", "slow", "predictions", "quality")
    spent = judged.split_alpha + sum(one.alpha for one in judged.standings)
    assert spent == pytest.approx(policy.false_alarm)


def test_answers_that_differ_more_than_is_tolerated() -> None:
    policy = msgspec.structs.replace(POLICY, predictions=0.2)
    apart = msgspec.structs.replace(QUIET, answers=((2_000, 0), (0, 2_000)))
    found = judge(policy, apart).of("predictions")
    assert found is not None
    assert found.verdict == "worse"
    alike = msgspec.structs.replace(QUIET, answers=((2_000, 2_000), (2_000, 2_000)))
    found = judge(policy, alike).of("predictions")
    assert found is not None
    assert found.verdict == "not worse"


def test_losses_by_blocks() -> None:
    policy = msgspec.structs.replace(POLICY, quality=0.02)
    worse = msgspec.structs.replace(QUIET, losses=Losses(differences=(0.3, 0.2, 0.4) * 10))
    found = judge(policy, worse).of("quality")
    assert found is not None
    assert (found.verdict, found.units) == ("worse", (30, 30))
    assert missing(policy, judge(policy, QUIET)) != []
    waits = msgspec.structs.replace(policy, labels="wait")
    assert "quality" in [one.metric for one in missing(waits, judge(waits, QUIET))]


@pytest.mark.parametrize(
    ("spread", "freedom", "lacks", "words"),
    [
        (0.0, 0.0, False, "more differences"),
        (0.005, 50.0, False, "more differences"),
        (0.05, 50.0, True, "needs more units, not more blocks"),
        (math.inf, 0.0, True, "needs more units, not more blocks"),
    ],
)
def test_what_more_blocks_do_not_decide_needs_more_units(
    spread: float, freedom: float, lacks: bool, words: str
) -> None:
    """Twelve differences about 0, which are undecided at a limit of 0.1 by themselves."""
    policy = msgspec.structs.replace(POLICY, quality=0.1)
    losses = Losses(differences=(0.1, -0.1, 0.12, -0.11) * 3, spread=spread, freedom=freedom)
    found = judge(policy, msgspec.structs.replace(QUIET, losses=losses)).of("quality")
    assert found is not None
    assert (found.verdict, found.lacks_units, found.needed is None) == ("undecided", lacks, lacks)
    assert standing_words(found).endswith(words)
    assert parse(canonical(found), Standing) == found


def test_units_take_differences_as_well_and_so_many_are_told() -> None:
    policy = msgspec.structs.replace(POLICY, quality=0.1)
    found = []
    for spread in (0.0, 0.01):
        losses = Losses(differences=(0.1, -0.1, 0.12, -0.11) * 3, spread=spread, freedom=50.0)
        one = judge(policy, msgspec.structs.replace(QUIET, losses=losses)).of("quality")
        assert one is not None and one.needed is not None
        found.append(one.needed)
    assert found[0] < found[1]


def test_what_is_decided_by_blocks_and_not_with_what_units_bring_needs_more_units() -> None:
    policy = msgspec.structs.replace(POLICY, quality=0.02)
    losses = Losses(differences=(0.3, 0.2, 0.4) * 10, spread=0.2, freedom=50.0)
    found = judge(policy, msgspec.structs.replace(QUIET, losses=losses)).of("quality")
    assert found is not None
    assert (found.verdict, found.lacks_units, found.lower is not None) == ("undecided", True, True)
    plain = judge(policy, msgspec.structs.replace(QUIET, losses=Losses(differences=losses.differences)))
    assert [(one.verdict, one.lacks_units) for one in plain.standings[1:]] == [("worse", False)]
