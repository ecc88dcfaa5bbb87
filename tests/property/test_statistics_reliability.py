"""The band of the calibration error: what it promises, and that the simulation can fail."""

import numpy as np
import pytest
from scipy.stats import beta

from noria.statistics import reliability

STREAMS, DAYS, ROWS, ALPHA = 150, 12, 40, 0.1


def day(random: np.random.Generator, bias: float, stormy: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and what happened: with all days alike off by `bias`, up in half of the bins, and a day's own weather."""
    said = random.uniform(0.25, 0.75, ROWS)
    true = said + np.where(said < 0.5, bias, -bias) + random.normal(0.0, stormy)
    return said, (random.random(ROWS) < np.clip(true, 0, 1)).astype(float)


def bands(
    bias: float, stormy: float, *, by_row: bool = False, streams: int = STREAMS
) -> list[tuple[float, float]]:
    random = np.random.default_rng(17)
    found = []
    for _ in range(streams):
        said, happened = (
            np.concatenate(each)
            for each in zip(*(day(random, bias, stormy) for _ in range(DAYS)), strict=True)
        )
        blocks = np.arange(said.size) if by_row else np.repeat(np.arange(DAYS), ROWS)
        band = reliability(said, happened, blocks, alpha=ALPHA, bins=2)
        found.append((band.lower, band.upper))
    return found


def at_most(wrong: int, streams: int = STREAMS) -> bool:
    """Whether so many of all could come of a chance of ALPHA."""
    return bool(beta.ppf(0.001, wrong, streams - wrong + 1) <= ALPHA) if wrong else True


@pytest.mark.parametrize(("bias", "stormy"), [(0.1, 0.0), (0.1, 0.1)])
def test_the_error_is_over_the_band_no_more_often_than_promised(bias: float, stormy: float) -> None:
    found = bands(bias, stormy)
    assert at_most(sum(upper < bias for _, upper in found))
    assert at_most(sum(lower > bias for lower, _ in found))


def test_what_is_calibrated_is_never_called_off() -> None:
    assert at_most(sum(lower > 0.02 for lower, _ in bands(0.0, 0.1)))


def test_rows_for_blocks_would_break_the_promise() -> None:
    few = STREAMS // 5  # what is far off shows in few, and fewer make it only harder to show
    found = bands(0.0, 0.3, by_row=True, streams=few)
    assert not at_most(sum(lower > 0.02 for lower, _ in found), few)


def test_a_clear_error_is_found_and_a_small_one_passes() -> None:
    assert np.mean([lower > 0.05 for lower, _ in bands(0.2, 0.0, streams=50)]) > 0.9
    assert np.mean([upper < 0.15 for _, upper in bands(0.0, 0.0, streams=50)]) > 0.9


def test_it_refuses_what_is_no_probability() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        reliability([1.2], [1.0], [0])
    with pytest.raises(ValueError, match="as many of each"):
        reliability([], [], [])
