"""The paired gate as its user meets it: four verdicts, an interval that agrees with them, and no silent nonsense."""

import tracemalloc
from itertools import combinations

import numpy as np
import pytest

from noria.statistics import METHODS, Method, compare
from noria.statistics.symmetric import FINEST, MOST_MEANS, blocks_needed, run_means, typical_bounds

NOISE = np.random.default_rng(3).normal(0.0, 0.004, 28)
NOISE = NOISE - NOISE.mean()
BOTH: list[Method] = ["sign-flip", "symmetric"]


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize(
    ("shift", "verdict"), [(-0.02, "better"), (0.0, "not worse"), (0.005, "undecided"), (0.03, "worse")]
)
def test_the_four_verdicts(method: Method, shift: float, verdict: str) -> None:
    result = compare(NOISE + shift, margin=0.005, width=5.0, method=method)
    assert result.verdict == verdict
    assert result.lower < result.estimate < result.upper
    assert result.estimate == pytest.approx(shift)
    assert result.assumption == METHODS[method]
    assert (result.e_value > 20.0) == (verdict in ("better", "not worse"))


def test_the_bounded_method_decides_where_the_width_is_near_the_margin_and_nowhere_else() -> None:
    assert compare(NOISE, margin=0.01, width=0.03, method="bounded").verdict == "not worse"
    assert compare(NOISE, margin=0.01, width=5.0, method="bounded").verdict == "undecided"
    assert compare(NOISE + 0.025, margin=0.005, width=0.05, method="bounded").verdict == "worse"


@pytest.mark.parametrize("method", list(METHODS))
def test_the_same_model_again_is_not_better(method: Method) -> None:
    result = compare(np.zeros(14), margin=0.005, width=0.02, method=method)
    assert result.verdict in ("not worse", "undecided")
    assert result.lower <= 0.0 <= result.upper


@pytest.mark.parametrize("method", list(METHODS))
def test_too_few_blocks_are_undecided_and_say_how_many_more(method: Method) -> None:
    result = compare([-0.001, 0.001], margin=0.005, width=0.02, method=method)
    assert result.verdict == "undecided"
    assert result.blocks == 2
    assert result.needed is not None
    assert result.needed > 0
    assert -0.02 <= result.lower <= result.upper <= 0.02


def test_how_many_more_is_nothing_when_the_candidate_is_on_the_wrong_side() -> None:
    assert compare(NOISE + 0.0051, margin=0.005, width=5.0).needed is None


@pytest.mark.parametrize("method", list(METHODS))
def test_swapping_the_models_mirrors_the_interval(method: Method) -> None:
    there = compare(NOISE + 0.003, margin=0.005, width=0.05, method=method)
    back = compare(-NOISE - 0.003, margin=0.005, width=0.05, method=method)
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower))


@pytest.mark.parametrize("method", BOTH)
def test_a_change_of_unit_changes_no_verdict(method: Method) -> None:
    small = compare(NOISE + 0.002, margin=0.005, width=5.0, method=method)
    large = compare((NOISE + 0.002) * 1e4, margin=50.0, width=5e4, method=method)
    assert large.verdict == small.verdict
    assert large.upper == pytest.approx(small.upper * 1e4)
    assert large.e_value == pytest.approx(small.e_value)


def test_typical_bounds_are_those_of_the_sign_flip_test() -> None:
    x = np.array([0.3, -1.2, 2.5, 0.9, 0.1, 1.7])
    lower, upper = typical_bounds(x, 0.05)
    for centre in np.linspace(-2.0, 3.0, 401):
        y = x - centre
        flips = [y.sum() - 2 * sum(s) for r in range(7) for s in combinations(y, r)]
        p_above = np.mean(np.array(flips) >= y.sum() - 1e-12)
        assert (p_above <= 0.05) == (centre < lower - 1e-12) or abs(centre - lower) < 1e-9
        p_below = np.mean(np.array(flips) <= y.sum() + 1e-12)
        assert (p_below <= 0.05) == (centre > upper + 1e-12) or abs(centre - upper) < 1e-9


def test_as_many_blocks_as_are_needed_give_bounds_of_a_small_alpha() -> None:
    x = np.random.default_rng(4).normal(size=blocks_needed(2.0**-16))
    below, above = np.sort(x), np.sort(-x)
    assert typical_bounds(x, 2.0**-16) == pytest.approx((below[0], -above[0]))
    inside = typical_bounds(x, 2.0**-15)  # the next mean of any subset: of the two at the end
    assert inside == pytest.approx(((below[0] + below[1]) / 2, -(above[0] + above[1]) / 2))


def test_subsets_that_are_drawn_for_a_small_alpha_leave_as_few_beyond() -> None:
    x, alpha = np.random.default_rng(5).normal(size=18), 2.0**-15.5
    lower, upper = typical_bounds(x, alpha)
    numbers = np.arange(1, 2**x.size)
    places = [(numbers >> place) & 1 for place in range(x.size)]
    means = sum(each * value for each, value in zip(places, x, strict=True)) / sum(places)
    assert np.mean(means < lower) < 3 * alpha
    assert np.mean(means > upper) < 3 * alpha


def test_an_alpha_that_no_number_of_subsets_is_drawn_for_has_no_bounds_and_asks_for_no_more_blocks() -> None:
    assert typical_bounds(NOISE, FINEST / 2) == (-np.inf, np.inf)
    assert compare(NOISE, margin=0.05, width=5.0, alpha=FINEST / 2).needed is None


@pytest.mark.parametrize(
    ("differences", "changes", "complaint"),
    [
        ([], {}, "no blocks"),
        ([0.1, np.nan], {}, "1 of 2 values are NaN"),
        ([[0.1]], {}, "one dimension"),
        ([6.0], {}, "over the width"),
        ([0.1], {"margin": -0.1}, "margin"),
        ([0.1], {"margin": 5.0}, "margin"),
        ([0.1], {"alpha": 0.0}, "between 0 and 1"),
        ([0.1], {"width": 0.0}, "positive"),
        ([0.1], {"method": "t-test"}, "expected one of sign-flip, symmetric, bounded"),
    ],
)
def test_senseless_input_is_refused_in_words(
    differences: list[float], changes: dict[str, object], complaint: str
) -> None:
    arguments = {"margin": 0.005, "width": 5.0} | changes
    with pytest.raises(ValueError, match=complaint):
        compare(differences, **arguments)  # type: ignore[arg-type]


def test_ten_thousand_rows_as_blocks_are_judged_like_any_sample() -> None:
    rows = np.random.default_rng(4).normal(0.0, 0.1, 10_001)
    lower, upper = typical_bounds(rows, 0.05)
    error = 1.645 * rows.std() / 100.0
    assert lower == pytest.approx(rows.mean() - error, abs=0.15 * error)
    assert upper == pytest.approx(rows.mean() + error, abs=0.15 * error)


@pytest.mark.parametrize(("method", "blocks"), [("sign-flip", 20_000), ("symmetric", 2_000)])
def test_many_blocks_take_little_memory(method: Method, blocks: int) -> None:
    d = np.random.default_rng(5).normal(0.0, 0.02, blocks)
    tracemalloc.start()
    result = compare(d, margin=0.005, width=5.0, method=method)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.verdict == "not worse" and result.e_value > 20.0
    assert peak < 50e6  # all centres at once were 500 MB of 20,000


def test_means_of_neighbours_are_symmetric_where_blocks_are() -> None:
    x = np.random.default_rng(6).normal(0.0, 1.0, 3_000)
    assert np.array_equal(run_means(x[:100]), x[:100])
    assert run_means(x).size == MOST_MEANS and np.allclose(-run_means(x), run_means(-x))
