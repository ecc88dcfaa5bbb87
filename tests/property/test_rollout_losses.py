"""The losses of a canary by simulation: few rows a day of rare losses, days that differ, shares that grow. Wrong verdicts within
their bound where each difference is of as many rows of both versions and of enough of them; over it with anything less.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from noria.records.rollouts import Losses, Observed, RolloutPolicy
from noria.rollout.judge import judge, unit_radius
from noria.statistics import compare, compare_unpaired, even_differences, unit_spread
from noria.statistics.symmetric import log_evidence_path
from noria.statistics.unpaired import LEAST_ROWS, Rows, UnitSpread
from property.bounds import surely_over

Floats = NDArray[np.float64]
DAY = np.datetime64("2026-01-01", "us")
ALPHA, CANARIES, SEED = 0.0125, 150, 29
NONE = UnitSpread(0.0, 0.0)
SHARES = np.repeat((0.05, 0.25, 0.5), 30)  # day by day


def canary(
    random: np.random.Generator, base: Floats, more: float, rows: int, shares: Floats = SHARES
) -> tuple[Rows, Rows]:
    """0/1 losses of the champion, that occur at the rate `base` of the day, and of a challenger at `more`."""
    days = np.repeat(np.arange(base.size), rows)
    theirs = random.random(days.size) < shares[days]
    losses = (random.random(days.size) < base[days] + more * theirs).astype(np.float64)
    when = DAY + days * np.timedelta64(1, "D")
    return (
        Rows(when[~theirs], shares[days][~theirs], losses[~theirs]),
        Rows(when[theirs], shares[days][theirs], losses[theirs]),
    )


def uneven(champion: Rows, challenger: Rows) -> Floats:
    """Planted: each day by itself, with all that either has."""
    blocks = np.intersect1d(champion.starts, challenger.starts)
    means = [
        np.array([rows.losses[rows.starts == one].mean() for one in blocks])
        for rows in (champion, challenger)
    ]
    return np.asarray(means[1] - means[0])


def ever(differences: list[Floats], centre: float) -> int:
    """Canaries whose evidence against the true difference, on either side, reaches the threshold at some look."""
    return sum(
        max(log_evidence_path(side * (each - centre)).max(initial=0.0) for side in (1.0, -1.0))
        >= math.log(2.0 / ALPHA)
        for each in differences
        if each.size
    )


@pytest.mark.parametrize(
    ("rate", "more", "rows"), [(0.02, 0.0, 100), (0.02, 0.02, 100), (0.01, 0.01, 100), (0.3, 0.05, 40)]
)
def test_rare_losses_of_few_rows_a_day_are_judged_wrongly_no_more_often_than_promised(
    rate: float, more: float, rows: int
) -> None:
    random = np.random.default_rng(SEED)
    base = np.full(SHARES.size, rate)
    pairs = [canary(random, base, more, rows) for _ in range(CANARIES)]
    assert not surely_over(ever([even_differences(*pair) for pair in pairs], more), CANARIES, ALPHA)


def test_less_than_that_breaks_the_bound() -> None:
    """Planted: days by themselves with all rows of either; as many of both, and not enough of them."""
    random = np.random.default_rng(SEED)
    base = np.full(SHARES.size, 0.02)
    pairs = [canary(random, base, 0.0, 100) for _ in range(40)]
    assert surely_over(ever([uneven(*pair) for pair in pairs], 0.0), 40, ALPHA)
    pairs = [canary(random, base, 0.02, 100) for _ in range(40)]
    assert surely_over(
        ever([even_differences(*pair, least_rows=1, losses=0.0) for pair in pairs], 0.02), 40, ALPHA
    )


def test_losses_too_rare_for_fifty_rows_take_as_many_as_show_some() -> None:
    """0.05 % and 0.15 %: days of 50 rows of each mostly hold none. Planted: 50 rows all the same."""
    random, even = np.random.default_rng(SEED), np.full(400, 0.5)
    pairs = [canary(random, np.full(even.size, 0.0005), 0.001, 110, even) for _ in range(40)]
    assert not surely_over(ever([even_differences(*pair) for pair in pairs], 0.001), 40, ALPHA)
    fifty = [even_differences(*pair, losses=0.0) for pair in pairs]
    assert surely_over(ever(fifty, 0.001), 40, ALPHA)


def test_how_many_rows_it_takes_is_known_before_they_come() -> None:
    """By the losses of the stretches before; without any, by the difference that matters."""

    def alternating(every: int, rows: int) -> tuple[Rows, Rows]:
        days = DAY + np.arange(rows) // 50 * np.timedelta64(1, "D")
        hit = np.arange(rows) % every == every - 1
        shares = np.full(rows, 0.5)
        return Rows(days, shares, np.zeros(rows)), Rows(days, shares, hit.astype(np.float64))

    assert even_differences(*alternating(50, 800)).tolist() == [0.02] * 4  # four losses in 200 rows
    assert even_differences(*alternating(10, 400)).tolist() == pytest.approx([0.1] * 8)
    assert even_differences(*alternating(1_000, 800)).size == 0
    assert even_differences(*alternating(1_000, 800), smallest=0.01).tolist() == [0.0, 0.0]


def recurring(
    random: np.random.Generator, units: int, between: float, more: float = 0.0, *, theirs: int | None = None
) -> tuple[Rows, Rows]:
    """40 days of 500 rows of the same units, a fifth of them the challenger's (or `theirs`, with as many rows), each with a level of
    loss of its own."""
    days = np.repeat(np.arange(40), 500)
    of_challenger = random.random(units) < 0.2 if theirs is None else np.arange(units) < theirs
    even = np.full(units, 1.0 / units)
    few = np.where(of_challenger, 0.2 / (theirs or 1), 0.8 / (units - (theirs or 0)))
    unit = random.choice(units, days.size, p=even if theirs is None else few)
    own_level = np.clip(0.2 + between * random.standard_normal(units), 0.0, 1.0)
    level = own_level[unit] + 0.1 * np.sin(days)
    asked = of_challenger[unit]
    losses = (random.random(days.size) < level + more * asked).astype(np.float64)
    when, share = DAY + days * np.timedelta64(1, "D"), np.full(days.size, 0.2)
    own, other = (Rows(when[at], share[at], losses[at], unit[at]) for at in (~asked, asked))
    return own, other


def judged(pair: tuple[Rows, Rows], spread: UnitSpread = NONE) -> str:
    losses = Losses(
        differences=tuple(even_differences(*pair)), spread=spread.deviation, freedom=spread.freedom
    )
    found = judge(RolloutPolicy(quality=0.0), Observed(losses=losses)).of("quality")
    assert found is not None
    return found.verdict


@pytest.mark.parametrize("theirs", [None, 1, 3])
def test_units_that_come_again_are_no_evidence_of_who_answers_them(theirs: int | None) -> None:
    """Fifty customers with levels of their own, versions alike. Planted: without what the units bring."""
    random = np.random.default_rng(SEED)
    pairs = [recurring(random, 50, 0.15, theirs=theirs) for _ in range(12)]
    wrong = sum(judged(pair, unit_spread(*pair)) in ("worse", "better") for pair in pairs)
    assert not surely_over(wrong, 12, ALPHA)
    assert surely_over(sum(judged(pair) in ("worse", "better") for pair in pairs), 12, ALPHA)


@pytest.mark.parametrize(
    ("units", "theirs"), [(50, 10), (50, 3), (50, 2), (50, 1), (10, 2), (5, 1), (4, 2), (200, 40)]
)
def test_units_alike_by_version_lie_no_further_apart_than_promised(units: int, theirs: int) -> None:
    """Normal levels without rows' noise, so that all of the difference is what the units bring. Planted: as if their variance
    were known."""
    random = np.random.default_rng(SEED)
    alpha, draws, over, known = 0.0125, 400, 0, 0
    unit = np.repeat(np.arange(units), 20)
    days = DAY + random.integers(0, 20, unit.size) * np.timedelta64(1, "D")
    asked, share = unit < theirs, np.full(unit.size, theirs / units)
    for _ in range(draws):
        level, order = random.standard_normal(units)[unit], random.permutation(unit.size)
        own, other = (
            Rows(days[at], share[at], level[at], unit[at])
            for at in (order[~asked[order]], order[asked[order]])
        )
        found = unit_spread(own, other)
        apart = float(even_differences(own, other, least_rows=1, losses=0.0).mean())
        over += apart > unit_radius(found.deviation, found.freedom, alpha)
        known += apart > unit_radius(found.deviation, 1e9, alpha)
    assert not surely_over(over, draws, alpha)
    assert units > 5 or surely_over(known, draws, alpha)


def test_the_spread_of_units_is_theirs_and_not_that_of_days_or_rows() -> None:
    random = np.random.default_rng(SEED)
    alike = [unit_spread(*recurring(random, 50, 0.0)).deviation for _ in range(8)]
    apart = [unit_spread(*recurring(random, 200, 0.1)).deviation for _ in range(8)]
    worse = [unit_spread(*recurring(random, 200, 0.1, more=0.5)).deviation for _ in range(8)]
    assert np.mean(alike) < 0.008, "0.035 where levels differ by 0.1"
    for found in (apart, worse):
        assert np.mean(found) == pytest.approx(0.1 * math.sqrt(1 / 40 + 1 / 160), rel=0.15)
    own, other = recurring(random, 200, 0.1)
    once = [
        replace(rows, units=np.arange(rows.losses.size) + 1_000_000 * at)
        for at, rows in enumerate((own, other))
    ]
    assert unit_spread(*once) == NONE == unit_spread(*(replace(rows, units=None) for rows in (own, other)))


def test_of_a_unit_each_nothing_tells_what_units_bring() -> None:
    random = np.random.default_rng(SEED)
    pair = recurring(random, 2, 0.0, more=0.5, theirs=1)
    assert unit_spread(*pair) == UnitSpread(math.inf, 0.0)
    assert (judged(pair), judged(pair, unit_spread(*pair))) == ("worse", "undecided")


def test_a_unit_that_asks_for_nearly_all_is_as_good_as_one_alone() -> None:
    """Of the challenger's two one asks twice: how far they lie apart is not told by these, and by the champion's it is."""
    random = np.random.default_rng(SEED)
    for _ in range(8):
        own, other = recurring(random, 50, 0.1, theirs=1)
        assert other.units is not None
        again = replace(other, units=np.where(np.arange(other.units.size) < 2, 99, other.units))
        alone, nearly = unit_spread(own, other), unit_spread(own, again)
        assert nearly.deviation == pytest.approx(alone.deviation, rel=0.01)


@pytest.mark.parametrize(
    ("units", "theirs", "more"), [(1_000, None, 0.15), (50, 3, 0.5), (50, 2, 0.5), (50, 1, 0.5)]
)
def test_harm_beyond_what_units_bring_is_seen(units: int, theirs: int | None, more: float) -> None:
    """Of few units, too: one alone is held against what those of the champion differ by."""
    random = np.random.default_rng(SEED)
    pairs = [recurring(random, units, 0.1, more, theirs=theirs) for _ in range(6)]
    assert [judged(pair, unit_spread(*pair)) for pair in pairs].count("worse") >= 5


def test_days_that_differ_while_the_share_grows_mislead_means_of_all_rows_and_not_differences_of_days() -> (
    None
):
    """Losses rise from 0.1 to 0.5 while the challenger's share does: most of its rows are of the bad days."""
    random = np.random.default_rng(SEED)
    base = np.linspace(0.1, 0.5, SHARES.size) + random.normal(0.0, 0.03, SHARES.size)
    pairs = [canary(random, base, 0.0, 100) for _ in range(4)]
    pooled = [
        compare_unpaired(
            champion.losses, challenger.losses, loss_range=(0.0, 1.0), margin=0.01, alpha=ALPHA
        ).verdict
        for champion, challenger in pairs
    ]
    assert pooled == ["worse"] * 4
    assert not surely_over(ever([even_differences(*pair) for pair in pairs], 0.0), 4, ALPHA)


def changing_at_noon(random: np.random.Generator) -> tuple[Rows, Rows]:
    """Versions alike, on days of 5 % in the morning and 50 % in the afternoon, which is the better half."""
    shares, base = np.tile((0.05, 0.5), 20), np.tile((0.5, 0.1), 20)
    champion, challenger = canary(random, base, 0.0, 300, shares)
    return by_days(champion), by_days(challenger)


def by_days(rows: Rows) -> Rows:
    """Blocks in pairs."""
    halves = (rows.starts - DAY) // np.timedelta64(1, "D")
    return replace(rows, starts=DAY + halves // 2 * np.timedelta64(1, "D"))


def test_days_in_which_the_share_changes_do_not_mislead() -> None:
    """Planted: such days as a whole. Most of the challenger's rows are then of the afternoon."""
    random = np.random.default_rng(SEED)
    pairs = [changing_at_noon(random) for _ in range(CANARIES)]
    assert not surely_over(ever([even_differences(*pair) for pair in pairs], 0.0), CANARIES, ALPHA)
    whole = [[replace(rows, shares=np.ones(rows.losses.size)) for rows in pair] for pair in pairs[:10]]
    assert ever([even_differences(*pair) for pair in whole], 0.0) == 10


def test_one_day_of_two_shares_is_two_comparisons() -> None:
    """5 % of a morning without losses and 50 % of an afternoon with losses: each by itself, no difference at all."""
    champion = Rows(
        np.repeat(DAY, 1_450), np.repeat((0.05, 0.5), (950, 500)), np.repeat((0.0, 1.0), (950, 500))
    )
    challenger = Rows(
        np.repeat(DAY, 550), np.repeat((0.05, 0.5), (50, 500)), np.repeat((0.0, 1.0), (50, 500))
    )
    assert even_differences(champion, challenger, losses=0.0).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(("more", "verdict"), [(0.0, "not worse"), (0.15, "worse")])
def test_what_differs_is_told(more: float, verdict: str) -> None:
    """With 10 to 100 rows of the challenger a day, and days that differ."""
    random = np.random.default_rng(SEED)
    base = np.clip(random.normal(0.3, 0.1, SHARES.size), 0.05, 0.7)
    told = [
        compare(
            even_differences(*canary(random, base, more, 200)),
            margin=0.07,
            width=1.0,
            alpha=ALPHA / 2,
            method="symmetric",
        )
        for _ in range(12)
    ]
    assert sum(one.verdict == verdict for one in told) >= 10
    assert all(one.verdict in (verdict, "undecided") for one in told)


def test_differences_are_of_as_many_rows_of_both_day_by_day() -> None:
    """Rows beyond what the other version has count for nothing, nor do days that one alone has, nor a last few rows."""

    def one(starts: NDArray[np.datetime64]) -> Floats:
        return np.full(starts.size, 0.25)

    days = DAY + np.array([0] * 70 + [1] * 30 + [2] * 60 + [3] * 10) * np.timedelta64(1, "D")
    champion = Rows(days, one(days), np.concatenate([np.zeros(70), np.ones(30), np.zeros(60), np.ones(10)]))
    own = DAY + np.array([0] * 30 + [1] * 40 + [2] * 50 + [4] * 99) * np.timedelta64(1, "D")
    challenger = Rows(own, one(own), np.concatenate([np.ones(30), np.ones(40), np.zeros(50), np.ones(99)]))
    assert LEAST_ROWS == 50
    assert even_differences(champion, challenger).tolist() == [0.5, 0.0]
    assert even_differences(champion, challenger, least_rows=1, losses=0.0).tolist() == [1.0, 0.0, 0.0]
    empty = Rows(days[:0], np.zeros(0), np.zeros(0))
    assert even_differences(champion, empty).size == even_differences(empty, challenger).size == 0
