"""The running risk and its bands, for display."""

import numpy as np
import pytest

from noria.statistics import running_risk


@pytest.mark.parametrize("method", ["bernstein", "asymptotic"])
def test_the_band_holds_the_mean_within_the_range_and_narrows(method: str) -> None:
    losses = np.random.default_rng(0).beta(2.0, 5.0, 2_000) * 5.0
    risk = running_risk(losses, loss_range=(0.0, 5.0), method=method)  # type: ignore[arg-type]
    assert risk.mean[-1] == pytest.approx(losses.mean())
    assert np.all(risk.lower <= risk.mean) and np.all(risk.mean <= risk.upper)
    assert risk.lower.min() >= 0.0 and risk.upper.max() <= 5.0
    assert risk.upper[-1] - risk.lower[-1] < (risk.upper[99] - risk.lower[99]) / 3


def test_nothing_seen_is_nothing_shown() -> None:
    assert running_risk([], loss_range=(0.0, 1.0)).mean.size == 0


def test_losses_out_of_the_range_and_unknown_methods_are_refused() -> None:
    with pytest.raises(ValueError, match="clip them first"):
        running_risk([2.0], loss_range=(0.0, 1.0))
    with pytest.raises(ValueError, match="bernstein"):
        running_risk([0.5], loss_range=(0.0, 1.0), method="normal")  # type: ignore[arg-type]
