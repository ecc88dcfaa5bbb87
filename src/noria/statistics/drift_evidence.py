"""What a drift state says: evidence against threshold for each feature, how far it has moved, and which have alarmed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from noria.statistics.arrays import Floats, Whole
from noria.statistics.bands import distribution_radius
from noria.statistics.drift import DriftState, evidence
from noria.statistics.drift_reference import DriftReference
from noria.statistics.drift_scores import SUMMARIES, distances


@dataclass(frozen=True, slots=True, eq=False)
class DriftEvidence:
    """One entry a feature, (d,) each."""

    features: tuple[str, ...]
    now: Floats  # e-value: at most 1 on average while nothing changes
    peak: Floats  # the highest so far, which is what alarms
    threshold: float  # of the peak: d / a
    summary: tuple[str, ...]  # what has moved most: location, shape, missing or distance
    proved: Floats  # the highest e-value so far against "within the tolerance"; 1 without a tolerance
    proof: float  # the threshold of that
    distance: Floats  # of the recent window from the reference: see `recent_distances`
    lower: (
        Floats | None
    )  # row mode: it is at least that, with probability 1 - a for all features at all looks
    window: int  # steps in that window
    alarmed: NDArray[np.bool_]

    @property
    def alarms(self) -> tuple[str, ...]:
        """Features whose alarm has rung, now or before."""
        return tuple(name for name, rung in zip(self.features, self.alarmed, strict=True) if rung)


def drift_evidence(reference: DriftReference, state: DriftState) -> DriftEvidence:
    """What `state` says, at any time."""
    peaks = state.peak * reference.shares  # each in a filtration of its own: a union bound, with shares
    peak = peaks.max(axis=1)
    proved = np.maximum(1.0, (state.proved * reference.shares).max(axis=1) / 2.0)  # of two sides
    alarmed = peak >= reference.threshold
    if reference.tolerance:
        alarmed &= proved >= reference.proof
    distance, window = recent_distances(reference, state)
    return DriftEvidence(
        features=reference.features,
        now=(evidence(reference, state) * reference.shares).max(axis=1),
        peak=peak,
        threshold=reference.threshold,
        summary=tuple(SUMMARIES[at] for at in peaks.argmax(axis=1)),
        proved=proved,
        proof=reference.proof,
        distance=distance,
        lower=None if reference.by_block else _least_distances(reference, state),
        window=window,
        alarmed=alarmed,
    )


def recent_distances(reference: DriftReference, state: DriftState) -> tuple[Floats, int]:
    """How far the rows of the last half of all steps or more lie from the reference's, (d,), and how many steps those are.

    Kolmogorov-Smirnov for numbers, total variation for categories, what is missing counted as a value below all others.
    """
    if not len(state.windows):
        return np.zeros(len(reference.features)), 0
    at = max(0, len(state.windows) - 2)
    found = distances(state.windows[at], reference.rows, reference.scores.numeric)
    return found, state.steps - 2**at + 1


def _least_distances(reference: DriftReference, state: DriftState) -> Floats:
    """Lower ends, over all windows, of the distance in rank of independent rows, with its time-uniform band. 0 for
    categories: their distance is no supremum over a line.
    """
    share = reference.false_alarm / len(reference.features)
    rows = _radius(reference.rows, share / 2.0)
    least = np.zeros(len(reference.features))
    for at, window in enumerate(state.windows):
        far = distances(window, reference.rows, reference.scores.numeric)
        radius = _radius(window, share / 2.0 / ((at + 1) * (at + 2)))
        least = np.maximum(least, far - radius - rows)
    return np.where(reference.scores.numeric, least, 0.0)


def _radius(counts: Whole, alpha: float) -> Floats:
    return np.array([distribution_radius(int(n), alpha) for n in counts.sum(axis=-1)])
