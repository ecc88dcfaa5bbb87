"""The champion's risk, block by block."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from noria.monitor.risk import begin, step
from noria.records.base import canonical, parse
from noria.records.monitoring import Alarm, Block, RiskState
from noria.records.policy import MonitorPolicy
from noria.records.versions import Quality, Version

START = datetime(2013, 3, 1, tzinfo=UTC)
POLICY = MonitorPolicy(false_alarm=0.01, tolerance=0.02)


def version() -> Version:
    """A version with what the monitor asks of it; the rest does not matter here."""
    bare = {
        "model": "delay",
        "number": 3,
        "quality": Quality(loss="brier", range=(0.0, 1.0), mean=0.15, rows=900),
    }
    return msgspec.structs.replace(_blank(), **bare)


def _blank() -> Version:
    fields = dict.fromkeys(Version.__struct_fields__)
    return Version(**fields)  # type: ignore[arg-type]


def block(day: int, loss: float | None) -> Block:
    start = START + timedelta(days=day)
    return Block(
        model="delay",
        version=3,
        start=start,
        end=start + timedelta(days=1),
        predictions=900,
        labelled=0 if loss is None else 880,
        loss=loss,
    )


def watched(losses: np.ndarray, reference: np.ndarray) -> tuple[RiskState, list[Alarm]]:
    state, alarms = begin(version(), reference, POLICY, false_alarm=0.01), []
    for day, loss in enumerate(losses):
        state, alarm = step(state, block(day, float(loss)), [float(loss)], START + timedelta(days=day + 1))
        alarms += [alarm] if alarm else []
    return state, alarms


@pytest.fixture
def reference() -> np.ndarray:
    return np.random.default_rng(1).normal(0.15, 0.02, 14)


def test_a_steady_model_raises_nothing(reference: np.ndarray) -> None:
    _, alarms = watched(np.random.default_rng(2).normal(0.15, 0.02, 300), reference)
    assert alarms == []


def test_a_worse_model_raises_one_alarm_with_its_evidence(reference: np.ndarray) -> None:
    losses = np.concatenate([np.full(30, 0.15), np.full(60, 0.30)])
    state, alarms = watched(losses, reference)
    (alarm,) = alarms
    assert START + timedelta(days=30) < alarm.block < START + timedelta(days=60)
    assert alarm.e_value >= alarm.threshold
    assert f"{alarm.bound:.4g}" in alarm.why
    assert state.blocks == 90


def test_the_state_survives_a_restart_to_the_last_bit(reference: np.ndarray) -> None:
    state, _ = watched(np.random.default_rng(3).normal(0.16, 0.02, 20), reference)
    restored = parse(canonical(state), RiskState)
    ahead, _ = step(state, block(20, 0.2), [0.2], START)
    again, _ = step(restored, block(20, 0.2), [0.2], START)
    assert canonical(ahead) == canonical(again)


def test_a_block_without_labels_moves_the_time_alone(reference: np.ndarray) -> None:
    state, _ = watched(np.full(3, 0.15), reference)
    moved, alarm = step(state, block(3, None), (), START)
    assert alarm is None
    assert moved.scored_until == START + timedelta(days=4)
    assert (moved.blocks, moved.e_value) == (state.blocks, state.e_value)


def test_a_tiny_reference_takes_the_bound_that_assumes_less_and_says_so() -> None:
    state = begin(version(), np.array([0.1, 0.2, 0.15]), POLICY, false_alarm=0.01)
    assert "within the loss range" in state.assumption
    assert state.bound > 0.3


def test_a_reference_without_any_loss_is_bounded_above_none() -> None:
    """With a tolerance of 0, too: that 40 blocks had no loss is no proof that none is to come."""
    strict = MonitorPolicy(tolerance=0.0)
    state = begin(version(), np.zeros(40), strict, false_alarm=0.01)
    assert 0.0 < state.bound < 0.3
    assert not state.deaf


def test_a_block_with_few_labels_scatters_and_proves_little(reference: np.ndarray) -> None:
    state = begin(version(), reference, POLICY, false_alarm=0.01, usual=900)
    full, thin = (msgspec.structs.replace(block(0, 0.4), labelled=labelled) for labelled in (880, 4))
    after = {one.labelled: step(state, one, [0.4], START)[0].e_value for one in (full, thin)}
    assert after[4] < after[880]
    assert (
        step(begin(version(), reference, POLICY, false_alarm=0.01), thin, [0.4], START)[0].e_value
        == after[880]
    )
