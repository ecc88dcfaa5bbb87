"""The paired gate, by simulation: wrong passes within their bound, power at realistic sizes, and the simulation
itself able to fail. Differences are block means, candidate minus champion; the margin is 0.005.
"""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from noria.statistics import Method, Verdict, compare
from noria.statistics.betting import log_wealth
from noria.statistics.symmetric import log_evidence_path, typical_bounds
from property.bounds import surely_over

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]

SAMPLES, LOOKS, MARGIN = 2_000, 200, 0.005


def in_blocks(rng: np.random.Generator, shape: tuple[int, ...], phi: float) -> Floats:
    """Means of blocks of rows that follow an AR(1) of mean 0 from block to block.

    100 rows a block for one look: with 20, blocks still hang together (lag-1 correlation 0.05 at phi 0.6) and
    the exact test passes 7 % instead of 5 %. The process over 200 looks has room for that and gets 20.
    """
    length = 100 if shape[1] <= 28 else 20
    rows = rng.normal(size=(shape[0], shape[1] * length))
    for t in range(1, rows.shape[1]):
        rows[:, t] = phi * rows[:, t - 1] + np.sqrt(1.0 - phi**2) * rows[:, t]
    return rows.reshape(*shape, length).mean(axis=2)


SYMMETRIC: dict[str, Draw] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "Student 3": lambda rng, shape: rng.standard_t(3, shape),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "ties": lambda rng, shape: rng.integers(-2, 3, shape).astype(float),
    "unequal spreads": lambda rng, shape: rng.normal(size=shape) * np.geomspace(0.1, 10.0, shape[1]),
    "AR(1) 0.6 rows": lambda rng, shape: in_blocks(rng, shape, 0.6),
    "AR(1) 0.8 rows": lambda rng, shape: in_blocks(rng, shape, 0.8),
}
A = pytest.mark.parametrize("a", [0.01, 0.05])


def misses(samples: Floats, a: float) -> int:
    """How many upper bounds of the sign-flip test lie under the centre 0: a passed candidate, were 0 the margin."""
    return sum(typical_bounds(sample, a)[1] < 0.0 for sample in samples)


@A
@pytest.mark.parametrize("n", [7, 14, 28])
@pytest.mark.parametrize("name", SYMMETRIC)
def test_one_look_passes_a_candidate_at_the_margin_with_at_most_a(name: str, n: int, a: float) -> None:
    samples = SYMMETRIC[name](np.random.default_rng(20), (SAMPLES if n == 14 else SAMPLES // 4, n))
    assert not surely_over(misses(samples, a), len(samples), a)


@A
@pytest.mark.parametrize("name", SYMMETRIC)
def test_two_hundred_looks_pass_a_candidate_at_the_margin_with_at_most_a(name: str, a: float) -> None:
    path = log_evidence_path(SYMMETRIC[name](np.random.default_rng(21), (SAMPLES, LOOKS)))
    assert not surely_over(int((path.max(axis=1) >= -np.log(a)).sum()), SAMPLES, a)


@A
def test_two_hundred_looks_by_betting_within_the_width_pass_skewed_blocks_with_at_most_a(a: float) -> None:
    rng = np.random.default_rng(22)
    samples = (rng.random((300, LOOKS)) < 0.9) / 1.8  # mean 1/2; a rare bad block at the far end
    looks = range(5, LOOKS, 5)
    errors = sum(any(log_wealth(s[:k], 0.5) >= -np.log(a) for k in looks) for s in samples)
    assert not surely_over(errors, 300, a)


@A
def test_the_simulation_turns_red_on_planted_defects(a: float) -> None:
    rng = np.random.default_rng(23)
    assert surely_over(misses(rng.normal(size=(SAMPLES, 14)), 2.0 * a), SAMPLES, a)  # half the rank
    rows = (rng.normal(size=(200, 14, 1)) + rng.normal(size=(200, 14, 3))).reshape(200, 42)
    assert surely_over(misses(rows, a), 200, a)  # rows for blocks
    growing = rng.normal(size=(400, 42))  # one look repeated at each new block
    passes = [[typical_bounds(s[:k], a)[1] < 0.0 for s in growing] for k in (7, 10, 14, 20, 28, 42)]
    assert surely_over(int(np.any(passes, axis=0).sum()), 400, a)


def test_skewed_blocks_cost_what_the_documentation_says() -> None:
    rng = np.random.default_rng(24)
    mild, strong = rng.gamma(4.0, 1.0, (SAMPLES, 14)) - 4.0, rng.exponential(1.0, (SAMPLES, 14)) - 1.0
    assert 0.05 < misses(mild, 0.05) / SAMPLES < 0.11  # skewness 1: the candidate has a few bad days
    assert 0.09 < misses(strong, 0.05) / SAMPLES < 0.16  # skewness 2
    assert misses(-strong, 0.05) / SAMPLES < 0.03  # a few good days


def passed(
    method: Method, n: int, sd: float, mean: float = 0.0, width: float = 5.0, samples: int = 300
) -> float:
    """Share of candidates of true difference `mean` and block sd `sd` that are better or not worse."""
    good: tuple[Verdict, ...] = ("better", "not worse")
    draws = np.clip(np.random.default_rng(25).normal(mean, sd, (samples, n)), -width, width)
    return float(
        np.mean([compare(d, margin=MARGIN, width=width, method=method).verdict in good for d in draws])
    )


@pytest.mark.parametrize(
    ("method", "n", "sd", "least"),
    [
        ("sign-flip", 14, 0.004, 0.97),
        ("sign-flip", 14, 0.007, 0.75),
        ("sign-flip", 14, 0.010, 0.47),
        ("sign-flip", 28, 0.010, 0.75),
        ("symmetric", 14, 0.004, 0.80),
        ("symmetric", 28, 0.007, 0.70),
    ],
)
def test_a_candidate_equal_to_the_champion_passes_often_enough(
    method: Method, n: int, sd: float, least: float
) -> None:
    assert passed(method, n, sd) >= least


def test_a_candidate_at_the_margin_seldom_passes_whatever_the_method() -> None:
    methods: tuple[Method, ...] = ("sign-flip", "symmetric", "bounded")
    for method in methods:
        assert not surely_over(int(300 * passed(method, 14, 0.007, MARGIN, 0.03)), 300, 0.05)


@pytest.mark.parametrize("method", ["sign-flip", "symmetric"])
def test_the_interval_and_the_evidence_agree_with_the_verdict(method: Method) -> None:
    for seed in range(40):
        d = np.random.default_rng(seed).normal(0.001, 0.005, 14)
        result = compare(d, margin=MARGIN, width=5.0, method=method)
        assert (result.upper < MARGIN) == (result.verdict in ("better", "not worse"))
        if method == "symmetric" and result.verdict in ("better", "not worse"):
            assert result.e_value >= 1.0 / result.alpha


@pytest.mark.parametrize("method", ["sign-flip", "symmetric"])
def test_the_number_of_blocks_still_needed_is_of_the_right_size(method: Method) -> None:
    d = np.random.default_rng(26).normal(size=14)
    d = 0.001 + 0.012 * (d - d.mean()) / d.std()
    result = compare(d, margin=MARGIN, width=5.0, method=method)
    assert result.verdict == "undecided"
    assert result.needed is not None
    assert 0.3 < passed(method, 14 + result.needed, 0.012, 0.001, samples=150) < 0.8
