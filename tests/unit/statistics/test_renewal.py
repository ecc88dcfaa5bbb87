"""One false alarm in so many steps: the state, its restart, its alarms."""

import json

import numpy as np
import pytest

from noria.statistics import RenewalState, RiskMonitor, false_alarm_within, renew
from noria.statistics.risk import FRACTIONS, factors

MONITOR = RiskMonitor.from_source(
    np.random.default_rng(1).normal(0.45, 0.05, 28), loss_range=(0.0, 5.0), tolerance=0.02
)


def after(losses: list[float], state: RenewalState | None = None) -> RenewalState:
    state = state or RenewalState.first(len(FRACTIONS))
    for loss in losses:
        state = renew(state, factors(MONITOR, np.float64(loss)), run_length=90.0)
    return state


def test_a_worse_model_alarms_again_and_again_and_a_good_one_does_not() -> None:
    assert after([0.45] * 300).alarms == 0
    assert after([0.45] * 300 + [0.9] * 30).alarms >= 3


def test_a_restart_changes_no_bit() -> None:
    half = RenewalState.from_dict(json.loads(json.dumps(after([0.5] * 9).to_dict())))
    assert after([0.6] * 9, half) == after([0.5] * 9 + [0.6] * 9)


def test_what_the_length_promises_is_said() -> None:
    assert false_alarm_within(9, 90.0) == 0.1
    assert false_alarm_within(900, 90.0) == 1.0


def test_senseless_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="one a bet"):
        renew(RenewalState.first(2), np.ones(3), run_length=90.0)
    with pytest.raises(ValueError, match="run length"):
        renew(RenewalState.first(2), np.ones(2), run_length=1.0)
