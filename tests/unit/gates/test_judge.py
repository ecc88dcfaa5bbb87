"""Gates: each verdict with its sentence."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from noria.gates.judge import Evidence, judge
from noria.gates.paired import Paired, pair
from noria.records.gates import NoWorse, Threshold

START = datetime(2013, 3, 1, tzinfo=UTC)


def paired(differences: np.ndarray) -> Paired:
    return Paired(
        other="delay:1",
        differences=differences,
        rows=1000,
        left_out=3,
        candidate_mean=0.2,
        other_mean=0.21,
        range=(0.0, 5.0),
        block="1d",
    )


@pytest.mark.parametrize(
    ("gate", "value", "outcome"),
    [
        (Threshold(metric="auc", at_least=0.68), 0.70, "pass"),
        (Threshold(metric="auc", at_least=0.68), 0.68, "pass"),
        (Threshold(metric="auc", at_least=0.68), 0.67, "fail"),
        (Threshold(metric="mae", at_most=40), 41.0, "fail"),
        (Threshold(metric="mae", at_most=40, at_least=1), 0.5, "fail"),
        (Threshold(metric="mae", at_most=40, at_least=1), 5.0, "pass"),
    ],
)
def test_threshold(gate: Threshold, value: float, outcome: str) -> None:
    (verdict,) = judge([gate], Evidence(metrics={gate.metric: value}, paired={}))
    assert verdict.outcome == outcome
    assert verdict.evidence["value"] == value


def test_a_metric_that_the_run_did_not_make_fails_and_names_those_it_made() -> None:
    (verdict,) = judge([Threshold(metric="auc", at_least=0.6)], Evidence(metrics={"mae": 3.0}, paired={}))
    assert verdict.outcome == "fail"
    assert "mae" in verdict.why


def test_the_first_version_passes_and_says_why() -> None:
    (verdict,) = judge([NoWorse(metric="log_loss")], Evidence(metrics={}, paired={"champion": None}))
    assert verdict.outcome == "pass"
    assert "no champion yet" in verdict.why


def test_what_could_not_be_compared_is_undecided() -> None:
    (verdict,) = judge(
        [NoWorse(metric="log_loss")], Evidence(metrics={}, paired={"champion": "delay:1 is from Mars"})
    )
    assert (verdict.outcome, verdict.why) == ("undecided", "delay:1 is from Mars")


@pytest.mark.parametrize(("mean", "outcome"), [(-0.05, "pass"), (0.0, "pass"), (0.2, "fail")])
def test_paired_losses_decide(mean: float, outcome: str) -> None:
    differences = mean + np.random.default_rng(7).normal(0, 0.01, 28)
    gate = NoWorse(metric="log_loss", margin=0.02)
    (verdict,) = judge([gate], Evidence(metrics={}, paired={"champion": paired(differences)}))
    assert verdict.outcome == outcome
    assert verdict.evidence["blocks"] == 28
    assert "28 blocks of 1d" in verdict.why


def test_few_noisy_blocks_are_undecided_and_say_how_many_more() -> None:
    differences = np.random.default_rng(1).normal(-0.002, 0.05, 10)
    gate = NoWorse(metric="log_loss", margin=0.01)
    (verdict,) = judge([gate], Evidence(metrics={}, paired={"champion": paired(differences)}))
    assert verdict.outcome == "undecided"
    assert verdict.evidence["needed"]


def losses(keys: list[int], values: list[float]) -> pl.DataFrame:
    times = [START + timedelta(hours=12 * position) for position in range(len(keys))]
    return pl.DataFrame({"id": keys, "at": times, "loss": values})


def test_pairs_are_joined_by_key_and_averaged_by_block() -> None:
    mine = losses([1, 2, 3, 4], [0.1, 0.3, 0.5, 0.5]).to_arrow()
    theirs = losses([1, 2, 3, 4], [0.2, 0.2, 0.2, 0.2])[::-1].to_arrow()
    found = pair(
        mine, theirs, key=("id",), time="at", left_out=0, range=(0, 1), other_name="delay:1", block="1d"
    )
    assert isinstance(found, Paired)
    np.testing.assert_allclose(found.differences, [0.0, 0.3], atol=1e-12)
    assert found.rows == 4


def test_nothing_to_compare_is_said() -> None:
    mine, theirs = losses([1], [0.1]).to_arrow(), losses([2], [0.1]).to_arrow()
    found = pair(
        mine, theirs, key=("id",), time="at", left_out=9, range=(0, 1), other_name="delay:1", block="1d"
    )
    assert isinstance(found, str) and "delay:1 was trained on all 9 rows" in found
