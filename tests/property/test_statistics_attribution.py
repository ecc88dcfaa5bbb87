"""A change of the loss taken apart, by simulation: what was planted is found with its size, and nothing where nothing was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noria.statistics import Attribution, Cells, attribute
from property.bounds import surely_over

ROWS = 400  # a block
LEVELS = ("AA", "B6", "DL", "UA", "WN")
RISK = np.array([0.1, 0.15, 0.2, 0.25, 0.4])  # of an error, by level
FEATURES = 8  # beside it, of no use


@dataclass(frozen=True)
class World:
    """Rows of a period: losses, blocks, the level of each, the hour, which the level is drawn with, and what is of no use."""

    losses: NDArray[np.float64]
    blocks: NDArray[np.int64]
    level: NDArray[np.int64]
    hour: NDArray[np.int64]
    noise: NDArray[np.int64]


def world(
    rng: np.random.Generator,
    blocks: int,
    *,
    shares: tuple[float, ...] = (0.2, 0.2, 0.2, 0.2, 0.2),
    flipped: float = 0.0,
    worse: float = 0.0,
    days: float = 0.02,
) -> World:
    """`flipped`: of the labels where the level is UA; `worse`: added to the risk of every row. `days`: sd of their own
    levels."""
    n = blocks * ROWS
    block = np.repeat(np.arange(blocks), ROWS)
    level = rng.choice(5, n, p=shares)
    hour = np.minimum(level, rng.integers(0, 5, n))  # goes together with the level
    risk = RISK[level] + worse + np.repeat(rng.normal(0.0, days, blocks), ROWS)
    wrong = (rng.random(n) < np.clip(risk, 0.0, 1.0)) ^ ((level == 3) & (rng.random(n) < flipped))
    return World(wrong.astype(float), block, level, hour, rng.integers(0, 10, (FEATURES, n)))


def taken_apart(before: World, after: World) -> Attribution:
    tens = tuple(f"{at}" for at in range(10))
    cells = {
        "level": Cells(LEVELS, before.level, after.level),
        "hour": Cells(tens, before.hour, after.hour),
    }
    cells |= {f"x{at}": Cells(tens, before.noise[at], after.noise[at]) for at in range(FEATURES)}
    return attribute((before.losses, before.blocks), (after.losses, after.blocks), cells)


def test_where_nothing_changed_nothing_is_blamed() -> None:
    """Not the change, no feature, no cell: but in one of twenty runs."""
    runs, found = 50, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        told = taken_apart(world(rng, 14), world(rng, 14))
        found += told.change.clear or bool(told.suspects) or bool(told.worse) or told.unexplained.clear
    assert not surely_over(found, runs, 0.05), found


def test_a_change_of_the_mix_is_the_feature_that_was_shifted_and_nothing_else() -> None:
    """Three times as many rows of the worst level: 0.22 to 0.31, all of it by the mix."""
    shares = (0.1, 0.1, 0.1, 0.1, 0.6)
    truth = float(np.array(shares) @ RISK - RISK.mean())
    for seed in range(10):
        rng = np.random.default_rng(seed)
        told = taken_apart(world(rng, 28), world(rng, 14, shares=shares))
        assert told.suspects[0][0] == "level"
        assert {name for name, _ in told.suspects} <= {"level", "hour"}  # they go together
        (level,) = (one for one in told.features if one.feature == "level")
        assert level.mix.lower < truth < level.mix.upper and level.mix.lower > truth / 2
        assert not level.within.clear and not told.worse and not told.unexplained.clear
        total = sum(part.value for _, part in told.suspects) + told.unexplained.value
        assert np.isclose(total, told.change.value)
        assert dict(told.suspects)["level"].value > 0.7 * truth


def test_flipped_labels_of_a_segment_are_that_segment_and_no_mix() -> None:
    """Half of the labels where the level is UA: 0.25 to 0.5 there, 0.05 of the whole."""
    runs, blamed = 12, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        told = taken_apart(world(rng, 28), world(rng, 14, flipped=0.5))
        assert told.unexplained.lower < 0.05 < told.unexplained.upper
        feature, cell = told.worse[0]
        assert (feature, cell.name) == ("level", "UA")
        assert cell.within.lower < 0.05 < cell.within.upper
        blamed += bool(told.suspects) or not {name for name, _ in told.worse} <= {"level", "hour"}
    assert not surely_over(blamed, runs, 0.05), blamed


def test_a_loss_that_grows_everywhere_is_no_features_and_no_segments() -> None:
    runs, blamed = 12, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        told = taken_apart(world(rng, 28), world(rng, 14, worse=0.1))
        assert told.unexplained.clear and told.unexplained.lower < 0.1 < told.unexplained.upper
        blamed += bool(told.suspects) or bool(told.worse)
    assert not surely_over(blamed, runs, 0.05), blamed


def test_the_simulation_turns_red_when_hours_stand_for_days() -> None:
    """Twenty rows of a day, which has a level of its own, are then a block like any other."""
    runs, found = 60, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        before, after = world(rng, 14, days=0.1), world(rng, 14, days=0.1)
        hours = np.arange(before.losses.size) // 20
        found += attribute((before.losses, hours), (after.losses, hours), {}).change.clear
    assert surely_over(found, runs, 0.05), found
