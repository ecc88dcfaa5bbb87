"""Bounds of a share and of a distance hold at all looks together, and the simulation can fail."""

from __future__ import annotations

import numpy as np
import pytest

from noria.statistics import distance, share_bounds
from noria.statistics.shares import _log_mixture

STREAMS = 2_000
LOOKS = np.unique(np.geomspace(1, 4_000, 60).astype(int))  # as often as it may be looked at, early above all


@pytest.mark.parametrize(("share", "alpha"), [(0.01, 0.05), (0.01, 0.01), (0.3, 0.05), (0.5, 0.01)])
def test_a_share_is_left_out_at_some_look_as_seldom_as_alpha_says(share: float, alpha: float) -> None:
    assert _ever_left_out(share, alpha) <= alpha + 3.0 * np.sqrt(alpha / STREAMS)


def test_the_simulation_can_fail() -> None:
    """With the fixed-sample bound in its place: what is exact at one look is not at sixty."""
    assert _ever_left_out(0.3, 0.05, sequential=False) > 0.15


def test_the_bounds_are_those_of_the_mixture() -> None:
    lower, upper = share_bounds(7, 400, alpha=0.05)
    for edge in (lower, upper):
        lost = _log_mixture(7, 400) - 7 * np.log(edge) - 393 * np.log1p(-edge)
        assert lost == pytest.approx(np.log(20.0), abs=1e-6)
    assert share_bounds(0, 0, alpha=0.05) == (0.0, 1.0)
    assert share_bounds(0, 1_000, alpha=0.01)[1] < 0.01
    assert share_bounds(5, 5, alpha=0.05)[1] == 1.0
    with pytest.raises(ValueError, match="events"):
        share_bounds(6, 5, alpha=0.05)


def test_a_distance_is_left_out_as_seldom_as_alpha_says() -> None:
    alpha, streams, units = 0.05, 300, 1_500
    random = np.random.default_rng(7)
    mine = random.integers(0, 8, (streams, units))
    own = random.integers(0, 8, (streams, units))
    looks = range(50, units + 1, 50)
    ever = sum(
        any(_of(mine[at, :look], own[at, :look], alpha).lower > 0.0 for look in looks)
        for at in range(streams)
    )
    assert ever / streams <= alpha


def test_a_distance_that_is_there_is_found() -> None:
    random = np.random.default_rng(8)
    mine, own = random.integers(0, 8, 6_000), random.integers(3, 8, 6_000)
    found = _of(mine, own, 0.05)
    assert found.lower > 0.25
    assert found.lower <= 0.375 <= found.upper
    assert distance([], alpha=0.05).upper == 1.0


def _of(mine: np.ndarray, own: np.ndarray, alpha: float):  # type: ignore[no-untyped-def]
    counts = zip(np.bincount(mine, minlength=8).tolist(), np.bincount(own, minlength=8).tolist(), strict=True)
    return distance(list(counts), alpha=alpha)


def _ever_left_out(share: float, alpha: float, *, sequential: bool = True) -> float:
    """By the mixture itself, vectorised: a share is left out where M(share) >= 1/alpha."""
    random = np.random.default_rng(round(1000 * share + 1e5 * alpha))
    gaps = np.diff(LOOKS, prepend=0)
    events = random.binomial(gaps, share, (STREAMS, len(LOOKS))).cumsum(axis=1)
    if not sequential:
        width = 1.96 * np.sqrt(share * (1 - share) / LOOKS)
        return float((np.abs(events / LOOKS - share) > width).any(axis=1).mean())
    known = {
        (x, n): _log_mixture(x, n) for n in LOOKS.tolist() for x in range(int(events.max()) + 1) if x <= n
    }
    likely = events * np.log(share) + (LOOKS - events) * np.log1p(-share)
    mixture = np.array(
        [[known[x, n] for x, n in zip(row, LOOKS.tolist(), strict=True)] for row in events.tolist()]
    )
    return float((mixture - likely >= -np.log(alpha)).any(axis=1).mean())
