"""A change of the mean loss, taken apart: the parts add up, and what cannot be said is refused."""

import numpy as np
import pytest
from scipy import stats

from noria.statistics import Cells, attribute
from noria.statistics.attribution_cells import shapley, split
from noria.statistics.jackknife import parts
from noria.statistics.student import quantile


def test_the_split_is_kitagawas() -> None:
    """Half of the rows each, losses 0.1 and 0.3; then a quarter and three quarters, 0.1 and 0.5."""
    found = split(np.array([0.5, 0.5, 0.05, 0.15]), np.array([0.25, 0.75, 0.025, 0.375]))
    assert found.mix.sum() == pytest.approx(-0.25 * 0.1 + 0.25 * 0.4)
    assert found.within == pytest.approx([0.0, 0.625 * 0.2])
    assert found.mix.sum() + found.within.sum() == pytest.approx(0.4 - 0.2)
    assert found.excess.sum() == pytest.approx(0.0)


def test_a_cell_that_only_one_period_has_is_mix_alone() -> None:
    found = split(np.array([1.0, 0.0, 0.1, 0.0]), np.array([0.5, 0.5, 0.05, 0.4]))
    assert found.within == pytest.approx([0.0, 0.0])
    assert found.mix.sum() == pytest.approx(0.45 - 0.1)


def test_shares_of_suspects_add_up_and_a_copy_gets_half() -> None:
    """The second feature is the first one again; the third has nothing to do with the loss."""
    rng = np.random.default_rng(1)
    tables = []
    for p in (0.3, 0.6):
        first, third = rng.random(4_000) < p, rng.random(4_000) < 0.5
        loss = 0.1 + 0.4 * first
        place = first * 4 + first * 2 + third
        shares, sums = np.bincount(place, minlength=8) / 4_000, np.bincount(place, loss, 8) / 4_000
        tables.append(np.concatenate([shares, sums]))
    found = shapley(tables[0], tables[1], (2, 2, 2))
    assert found[0] == pytest.approx(found[1])
    assert found[2] == pytest.approx(0.0, abs=1e-3)
    assert found.sum() == pytest.approx(split(*tables).mix.sum())


def test_an_interval_of_a_difference_of_means_is_welchs() -> None:
    rng = np.random.default_rng(2)
    old, new = rng.normal(size=(9, 1)), rng.normal(1.0, 3.0, size=(14, 1))
    (found,) = parts(lambda before, after: after - before, old, new, np.array([0.05]))
    low, high = stats.ttest_ind(new[:, 0], old[:, 0], equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(float(new.mean() - old.mean()))
    assert found.lower == pytest.approx(float(low), rel=0.02)  # degrees of freedom are taken downwards
    assert found.upper == pytest.approx(float(high), rel=0.02)


@pytest.mark.parametrize("degrees", [1.0, 2.5, 6.0, 40.0])
@pytest.mark.parametrize("p", [0.9, 0.975, 0.99999])
def test_quantiles_are_students(p: float, degrees: float) -> None:
    assert quantile(p, degrees) == pytest.approx(float(stats.t.ppf(p, degrees)), rel=2e-3)


def test_what_does_not_fit_together_is_refused() -> None:
    losses, blocks = np.zeros(10), np.repeat(np.arange(5), 2)
    cells = {"x": Cells(("a",), np.zeros(10, np.int64), np.zeros(9, np.int64))}
    with pytest.raises(ValueError, match="feature x"):
        attribute((losses, blocks), (losses, blocks), cells)
    with pytest.raises(ValueError, match="two blocks"):
        attribute((losses, np.zeros(10, np.int64)), (losses, blocks), {})
    with pytest.raises(ValueError, match="differ in length"):
        attribute((losses, blocks[:9]), (losses, blocks), {})
    with pytest.raises(ValueError, match="NaN"):
        attribute((np.full(10, np.nan), blocks), (losses, blocks), {})
