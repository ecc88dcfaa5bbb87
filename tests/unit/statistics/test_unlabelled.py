"""How good answers may be, by themselves: right where they are calibrated, and blind where the world has changed."""

import numpy as np
import pytest

from noria.statistics import without_labels

RNG = np.random.default_rng(1)
P = RNG.beta(0.7, 1.6, 40_000)
LABEL = RNG.random(P.size) < P


def auc_of(label: np.ndarray, p: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(p)) + 1.0
    positives = label.sum()
    return float((ranks[label].sum() - positives * (positives + 1) / 2) / (positives * (~label).sum()))


def test_of_calibrated_answers_the_estimate_is_what_the_labels_say() -> None:
    found = without_labels(P)
    assert found.accuracy == pytest.approx(float(((P > 0.5) == LABEL).mean()), abs=0.01)
    assert found.log_loss == pytest.approx(float(-np.log(np.where(LABEL, P, 1.0 - P)).mean()), abs=0.01)
    assert found.auc == pytest.approx(auc_of(LABEL, P), abs=0.01)
    assert found.rows == P.size


def test_of_a_world_that_has_changed_the_estimate_says_nothing_and_the_warning_says_so() -> None:
    flipped = np.where(RNG.random(P.size) < 0.3, ~LABEL, LABEL)
    found = without_labels(P)
    assert found.auc is not None and found.auc - auc_of(flipped, P) > 0.1
    assert "not seen" in found.assumption


def test_of_pairs_by_hand() -> None:
    assert without_labels([0.2, 0.9]).auc == pytest.approx((0.9 * 0.8) / (0.9 * 0.8 + 0.2 * 0.1))
    assert without_labels([0.5, 0.5]).auc == 0.5
    assert without_labels([0.0, 0.0]).auc is None


def test_of_several_classes() -> None:
    found = without_labels([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    assert (found.accuracy, found.auc) == (0.75, None)


@pytest.mark.parametrize("bad", [[], [1.2], [float("nan")], [[0.5, 0.2]], [[1.0]]])
def test_what_are_no_probabilities_is_refused(bad: list[float]) -> None:
    with pytest.raises(ValueError, match="probabilities"):
        without_labels(bad)
