"""Whether noria.toml fits the pipeline that it names."""

import numpy as np
import polars as pl
import pytest

import noria
from noria.app.fit import PolicyMismatch, check_fit
from noria.declare import Resolved, resolve
from noria.records.gates import Better, Calibration, Gate, NoWorse, Robustness, Threshold
from noria.records.policy import ModelPolicy, MonitorPolicy, RetrainPolicy


def pipeline(with_loss: bool = True) -> Resolved:
    p = noria.Pipeline("p")

    @p.data(key="id", label="y")
    def rows() -> pl.DataFrame:
        return pl.DataFrame({"id": [1], "y": [0.0]})

    @p.predict
    def answer(rows: pl.DataFrame) -> np.ndarray:
        return np.zeros(rows.height)

    if with_loss:

        @p.loss(on="rows", range=(0, 5))
        def log_loss(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
            return np.zeros(len(label))

    return resolve(p)


def policy(*gates: Gate, monitor: MonitorPolicy | None = None, on: tuple[str, ...] = ()) -> ModelPolicy:
    return ModelPolicy(
        name="p",
        pipeline="pipeline:p",
        gates=gates,
        monitor=monitor or MonitorPolicy(),
        retrain=RetrainPolicy(on=on),  # type: ignore[arg-type]
    )


def test_what_fits() -> None:
    check_fit(
        policy(Threshold(metric="auc", at_least=0.6), NoWorse(metric="log_loss", margin=0.1)), pipeline()
    )


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (policy(NoWorse(metric="auc", margin=0.005)), "only the loss, log_loss, is known row by row"),
        (policy(NoWorse(metric="log_loss", margin=50)), "margin 50"),
        (policy(NoWorse(metric="log_loss", anchor_margin=9)), "anchor_margin 9"),
        (policy(Robustness(at_most=5, noise=0.1)), "robustness has at_most 5"),
        (policy(Better(metric="auc")), "cannot say better_than"),
        (policy(Better(metric="log_loss", by=7)), "has by 7"),
        (policy(monitor=MonitorPolicy(loss="brier")), "names brier, and the loss is log_loss"),
        (policy(monitor=MonitorPolicy(tolerance=5)), "tolerance is 5"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_runs(asked: ModelPolicy, text: str) -> None:
    with pytest.raises(PolicyMismatch, match=text):
        check_fit(asked, pipeline())


def test_all_faults_at_once() -> None:
    with pytest.raises(PolicyMismatch) as caught:
        check_fit(
            policy(
                NoWorse(metric="auc"),
                Better(metric="f1"),
                Robustness(at_most=1, noise=1),
                on=("performance",),
            ),
            pipeline(with_loss=False),
        )
    told = ("gates.auc", "gates.f1", "gates.robustness", "performance")
    assert all(text in str(caught.value) for text in told)


def test_calibration_needs_a_label() -> None:
    p = noria.Pipeline("p")

    @p.data(key="id")
    def rows() -> pl.DataFrame: ...

    with pytest.raises(PolicyMismatch, match="no label"):
        check_fit(policy(Calibration(at_most=0.1)), resolve(p))
