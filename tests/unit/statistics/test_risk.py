"""The risk alarm as its user meets it: a monitor from source blocks, a state that advances, a number that survives."""

import json
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noria.statistics import RiskMonitor, RiskState, advance, alarmed, evidence

SOURCE = np.random.default_rng(1).normal(0.45, 0.05, 28)


def monitor(**changes: object) -> RiskMonitor:
    settings = {"loss_range": (0.0, 5.0), "tolerance": 0.02, "false_alarm": 0.01} | changes
    return RiskMonitor.from_source(SOURCE, **settings)  # type: ignore[arg-type]


def states(watch: RiskMonitor, losses: list[float]) -> list[RiskState]:
    return list(accumulate(losses, lambda state, loss: advance(watch, state, loss), initial=RiskState()))


def test_the_first_day_knows_nothing() -> None:
    assert evidence(RiskState()) == 1.0
    assert not alarmed(monitor(), RiskState())


def test_a_worse_model_is_noticed_and_a_good_one_is_not() -> None:
    watch = monitor()
    assert alarmed(watch, states(watch, [0.9] * 20)[-1])
    assert not alarmed(watch, states(watch, [0.45] * 400)[-1])


def test_an_alarm_stays_when_the_loss_recovers() -> None:
    watch = monitor()
    last = states(watch, [0.9] * 20 + [0.2] * 50)[-1]
    assert evidence(last) < watch.threshold
    assert alarmed(watch, last)


def test_one_day_at_the_top_of_the_range_is_no_alarm() -> None:
    watch = monitor()
    assert not alarmed(watch, states(watch, [5.0])[-1])


def test_years_of_alarm_do_not_overflow() -> None:
    watch = monitor()
    last = states(watch, [5.0] * 2_000)[-1]
    assert np.isfinite(evidence(last))
    assert RiskState.from_dict(last.to_dict()) == last


def test_the_bound_is_over_the_source_risk_by_more_than_the_tolerance() -> None:
    watch = monitor()
    assert SOURCE.mean() + 0.02 < watch.bound < SOURCE.mean() + 0.02 + SOURCE.std()
    assert watch.floor < SOURCE.mean()
    assert monitor(false_alarm=0.05).bound < watch.bound


def test_the_bounded_method_needs_more_blocks_and_says_so_by_its_bound() -> None:
    watch = monitor(method="bounded")
    assert watch.floor == 0.0
    assert watch.bound > 1.0
    assert "within the loss range" in watch.assumption


def test_differences_from_a_baseline_may_be_negative() -> None:
    source = SOURCE - 0.55
    watch = RiskMonitor.from_source(source, loss_range=(-5.0, 5.0), tolerance=0.02)
    assert watch.bound < 0.0
    assert alarmed(watch, states(watch, [0.2] * 20)[-1])


def test_clipped_blocks_are_counted() -> None:
    assert states(monitor(), [0.4, 5.5, -0.1])[-1].clipped == 2


def test_source_blocks_that_do_not_vary_leave_the_tolerance() -> None:
    watch = RiskMonitor.from_source([0.0] * 14, loss_range=(0.0, 1.0), tolerance=0.02)
    assert watch.bound == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("source", "changes", "complaint"),
    [
        ([], {}, "there are none"),
        ([0.4] * 7, {}, "7 are too few to bound the risk, it takes 8"),
        ([0.4] * 14, {"tolerance": -0.1}, "at least 0"),
        ([0.4] * 14, {"false_alarm": 1.0}, "between 0 and 1"),
        ([0.4] * 14, {"loss_range": (0.5, 5.0)}, "out of the range"),
        ([0.4] * 14, {"floor": 6.0}, "floor"),
        ([0.0] * 14, {"tolerance": 0.0}, "floor"),
        ([0.4] * 13 + [np.nan], {}, "NaN"),
    ],
)
def test_senseless_monitors_are_refused_in_words(
    source: list[float], changes: dict[str, object], complaint: str
) -> None:
    arguments = {"loss_range": (0.0, 5.0), "tolerance": 0.02} | changes
    with pytest.raises(ValueError, match=complaint):
        RiskMonitor.from_source(source, **arguments)  # type: ignore[arg-type]


def test_a_block_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        advance(monitor(), RiskState(), float("nan"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1.0, 6.0), max_size=30), st.integers(0, 30))
def test_a_restart_anywhere_goes_on_to_the_last_bit(losses: list[float], stop: int) -> None:
    watch, state = monitor(), RiskState()
    restored_watch, restored = watch, state
    for index, loss in enumerate(losses):
        if index == stop:
            restored = RiskState.from_dict(json.loads(json.dumps(restored.to_dict())))
            restored_watch = RiskMonitor.from_dict(json.loads(json.dumps(watch.to_dict())))
        state, restored = advance(watch, state, loss), advance(restored_watch, restored, loss)
    assert restored_watch == watch
    assert restored == state
    assert evidence(restored) == evidence(state)
