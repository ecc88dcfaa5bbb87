"""How good answers may be while their labels are out: an estimate under an assumption, never a reason to decide.

If probabilities are calibrated (of the rows answered 0.3, three in ten are positive), then the answers themselves say how
often they are right (confidence-based performance estimation). A model whose world has changed goes on being as sure of
itself as before: flip a third of the labels and the estimate does not move. So it stands beside the label debt, with its
warning, and the first labels overrule it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from noria.statistics.arrays import Floats

ASSUMPTION = (
    "probabilities are as calibrated now as they were; a change of what the label depends on is not seen"
)

_DUST = 1e-12  # a probability is that far from 0 and 1 in a logarithm


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """Estimates for rows without labels."""

    accuracy: float
    log_loss: float
    auc: float | None  # None but for two classes, and where one of them is expected nowhere
    rows: int
    assumption: str = ASSUMPTION


def without_labels(probabilities: ArrayLike) -> Unlabelled:
    """From probabilities of the positive class (n,), or of each class (n, k). ValueError for none, or what is none."""
    p = _classes(probabilities)
    sure = np.clip(p, _DUST, 1.0)
    return Unlabelled(
        accuracy=float(p.max(axis=1).mean()),
        log_loss=float(-(p * np.log(sure)).sum(axis=1).mean()),
        auc=_auc(p[:, 1]) if p.shape[1] == 2 else None,
        rows=len(p),
    )


def _classes(probabilities: ArrayLike) -> Floats:
    p = np.asarray(probabilities, np.float64)
    if p.ndim == 1:
        p = np.column_stack([1.0 - p, p])
    if p.ndim != 2 or p.shape[0] == 0 or p.shape[1] < 2:
        raise ValueError(f"probabilities: expected some rows of at least two classes, got shape {p.shape}")
    if not (np.isfinite(p).all() and (p >= -1e-9).all() and np.allclose(p.sum(axis=1), 1.0, atol=1e-6)):
        raise ValueError("probabilities: expected numbers from 0 to 1, those of a row with sum 1")
    return np.clip(p, 0.0, 1.0)


def _auc(p: Floats) -> float | None:
    """Expected share of pairs (positive, negative) in the right order: the sum over i, j != i of p_i (1 - p_j) where
    p_i > p_j, ties by halves, over the sum without that condition.
    """
    levels, at = np.unique(p, return_inverse=True)
    positive = np.bincount(at, weights=p, minlength=levels.size)
    negative = np.bincount(at, weights=1.0 - p, minlength=levels.size)
    itself = np.bincount(at, weights=p * (1.0 - p), minlength=levels.size)
    below = np.cumsum(negative) - negative
    pairs = float(p.sum() * (1.0 - p).sum() - itself.sum())
    if pairs <= _DUST:
        return None
    return float((positive * below).sum() + (positive * negative - itself).sum() / 2.0) / pairs
