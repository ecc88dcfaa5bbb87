"""Whether probabilities are what happens: the band of the calibration error against what is allowed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from noria.records.base import Json
from noria.records.gates import Calibration, Outcome, Verdict

if TYPE_CHECKING:
    import numpy as np

    from noria.statistics import Reliability

CALIBRATION = "calibration"


@dataclass(frozen=True)
class Forecasts:
    """Probabilities that a version gave, and what became of them; a row each."""

    probabilities: np.ndarray
    happened: np.ndarray
    """1 where what was foreseen came about, else 0."""
    blocks: np.ndarray
    """int64; rows of one block of time have one number."""
    block: str
    of: Literal["the answer", "the likeliest class"] = "the answer"


def calibrated(gate: Calibration, forecasts: Forecasts | str | None) -> Verdict:
    """Passes when the upper end of the band is under the limit, fails when the lower is over it. `forecasts`: a sentence
    where answers are no probabilities."""
    if forecasts is None or isinstance(forecasts, str):
        why = forecasts or "nobody answered the holdout"
        return Verdict(gate=CALIBRATION, outcome="undecided", why=why)
    from noria.statistics import reliability

    found = reliability(forecasts.probabilities, forecasts.happened, forecasts.blocks, alpha=gate.alpha)
    evidence: dict[str, Json] = {
        "estimate": found.estimate,
        "lower": found.lower,
        "upper": found.upper,
        "at_most": gate.at_most,
        "alpha": gate.alpha,
        "blocks": found.blocks,
        "block": forecasts.block,
        "of": forecasts.of,
        "bins": [asdict(one) for one in found.bins],
        "assumption": "sums of blocks independent and symmetric about their mean; looked at once",
    }
    outcome = _outcome(gate, found)
    return Verdict(
        gate=CALIBRATION, outcome=outcome, why=_sentence(gate, found, forecasts, outcome), evidence=evidence
    )


def _outcome(gate: Calibration, found: Reliability) -> Outcome:
    if found.upper < gate.at_most:
        return "pass"
    return "fail" if found.lower > gate.at_most else "undecided"


def _sentence(gate: Calibration, found: Reliability, forecasts: Forecasts, outcome: Outcome) -> str:
    worst = max(found.bins, key=lambda one: abs(one.happened - one.answered))
    head = {"pass": "calibrated", "fail": "not calibrated", "undecided": "undecided"}[outcome]
    return (
        f"{head}: error {found.estimate:.4g} [{found.lower:.4g}, {found.upper:.4g}] over {found.blocks} blocks of "
        f"{forecasts.block}, at most {gate.at_most:g}; furthest off where {worst.answered:.3g} was said of "
        f"{forecasts.of} and {worst.happened:.3g} happened ({worst.rows} rows)"
    )
