"""Bets on ranks: each returns 1 on average, and no more is staked than there is."""

import numpy as np
import pytest

from noria.statistics.drift_bets import STEPS, Bets, block_bets, row_bets

BETS = pytest.mark.parametrize("bets", [block_bets(), row_bets()], ids=["blocks", "rows"])


@BETS
def test_a_bet_returns_one_on_average_over_uniform_ranks(bets: Bets) -> None:
    assert (bets.table >= 0.0).all()
    assert bets.table.mean(axis=1) == pytest.approx(np.ones(len(bets)), abs=1e-12)
    assert bets.weights.sum() == pytest.approx(1.0, abs=1e-12)


@BETS
def test_bets_on_low_ranks_are_those_on_high_ones_seen_from_the_other_end(bets: Bets) -> None:
    p = (np.arange(STEPS) + 0.5) / STEPS
    both = bets.both(p)
    assert (both[: len(bets)] == bets.returns(p)).all()
    assert (both[len(bets) :] == bets.returns(1.0 - p)).all()


@BETS
def test_what_is_staked_and_what_is_left_are_one_at_every_step(bets: Bets) -> None:
    staked = 0.0
    for step in range(1, 1_000):
        assert bets.stake(step) > 0.0
        staked += bets.stake(step)
        assert bets.total(np.full((2 * len(bets), 1), staked), step) == pytest.approx(1.0, abs=1e-12)


def test_a_tilt_is_the_likelihood_ratio_of_a_normal_unit_that_moved() -> None:
    """0.4 of its standard deviation, at the rank of a unit that lies one over the mean."""
    assert row_bets().returns(np.array([0.841345]))[1, 0] == pytest.approx(np.exp(0.4 - 0.08), rel=1e-3)
