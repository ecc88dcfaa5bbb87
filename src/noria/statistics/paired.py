"""Is the candidate no worse than the champion, on the same rows?

All three methods look at block means d_k = (candidate's loss - champion's loss), positive when the
candidate is worse, and bound their mean from both sides. Non-inferiority: the candidate passes when the
upper bound is under the margin. They differ in what they assume, and so in what a few blocks can decide;
docs/decisions/0003-paired-gate.md has the numbers.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

import noria.statistics.betting as betting
import noria.statistics.symmetric as symmetric
from noria.statistics.arrays import Floats, check_error_rate, finite_vector

Verdict = Literal["better", "not worse", "worse", "undecided"]
Method = Literal["sign-flip", "symmetric", "bounded"]

METHODS: dict[Method, str] = {
    "sign-flip": "blocks independent and symmetric about their mean; this sample looked at once",
    "symmetric": "blocks symmetric about their mean, given the past; valid at every look",
    "bounded": "blocks within the width and of one mean, given the past; valid at every look",
}

_MOST = 1e300  # a number for the page where the e-value would overflow
_HOPELESS = 10_000  # blocks; beyond, "how many more" is no answer


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdict and what it rests on. Differences are candidate minus champion, in the unit of the loss."""

    verdict: Verdict
    estimate: float  # mean over blocks
    lower: float  # the mean is under it with probability at most alpha
    upper: float  # the mean is over it with probability at most alpha
    margin: float
    alpha: float
    e_value: float  # against "worse by the margin or more"; those of independent samples may be multiplied
    blocks: int
    needed: int | None  # more blocks to "not worse" at the present rate; None when decided or out of sight
    method: Method
    assumption: str


def compare(
    differences: ArrayLike, *, margin: float, width: float, alpha: float = 0.05, method: Method = "sign-flip"
) -> Comparison:
    """Judge the candidate on `differences` (n,): block means of its loss minus the champion's, in time order.

    `width` is the loss's high end minus its low end, so |difference| <= width; `margin` >= 0 is in the same
    unit. "better": the upper bound is under 0; "not worse": under the margin; "worse": the lower bound is
    over the margin; else "undecided". A candidate worse than the margin gets one of the first two with
    probability at most `alpha`, one that is not gets "worse" with probability at most `alpha`.

    "sign-flip" (default): a holdout fixed beforehand, judged once; exact for symmetric blocks, as powerful
    as Student's t (Hartigan 1969). A sample that grows between looks needs "symmetric" (betting on signs)
    or, without symmetry, "bounded" (betting within the width, Waudby-Smith & Ramdas 2024), which takes n in
    the order of width / margin blocks. ValueError for no blocks, a difference over the width, or a
    senseless margin or alpha.
    """
    d = finite_vector(differences, "differences")
    _check(d, margin, width, alpha, method)
    lower, upper = _bounds(d, width, alpha, method)
    evidence = _log_evidence(d, margin, width, method)
    verdict = verdict_of(lower, upper, margin)
    return Comparison(
        verdict=verdict,
        estimate=float(d.mean()),
        lower=lower,
        upper=upper,
        margin=margin,
        alpha=alpha,
        e_value=min(_MOST, float(np.exp(min(evidence, 700.0)))),
        blocks=int(d.size),
        needed=_needed(d, margin, alpha, evidence, method) if verdict == "undecided" else None,
        method=method,
        assumption=METHODS[method],
    )


def _check(d: Floats, margin: float, width: float, alpha: float, method: Method) -> None:
    check_error_rate(alpha, "alpha")
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}; got {method!r}")
    if not (np.isfinite(width) and width > 0.0):
        raise ValueError(f"width: expected a positive number, got {width}")
    if not 0.0 <= margin < width:
        raise ValueError(f"margin: expected at least 0 and under the width {width}, got {margin}")
    if d.size == 0:
        raise ValueError("differences: there are no blocks to compare")
    if np.abs(d).max() > width * (1.0 + 1e-9):
        raise ValueError(
            f"differences: some are over the width {width}; clip the losses into their range first"
        )


def _bounds(d: Floats, width: float, alpha: float, method: Method) -> tuple[float, float]:
    if method == "sign-flip":
        lower, upper = symmetric.typical_bounds(d, alpha)
        return max(lower, -width), min(upper, width)
    if method == "symmetric":
        lower = symmetric.anytime_lower_bound(d, alpha, -width)
        return lower, -symmetric.anytime_lower_bound(-d, alpha, -width)
    x = _unit(d, width)
    lower, upper = betting.lower_bound(x, alpha), betting.upper_bound(x, alpha)
    return width * (2.0 * lower - 1.0), width * (2.0 * upper - 1.0)


def _log_evidence(d: Floats, margin: float, width: float, method: Method) -> float:
    if method == "bounded":
        return betting.log_wealth(_unit(-d, width), (width - margin) / (2.0 * width))
    looked_at = symmetric.run_means(d) if method == "sign-flip" else d
    return symmetric.composite_log_evidence(-looked_at, -margin)


def _unit(d: Floats, width: float) -> Floats:
    return np.clip((d + width) / (2.0 * width), 0.0, 1.0)


def verdict_of(lower: float, upper: float, margin: float) -> Verdict:
    if upper < 0.0:
        return "better"
    if upper < margin:
        return "not worse"
    return "worse" if lower > margin else "undecided"


def _needed(d: Floats, margin: float, alpha: float, evidence: float, method: Method) -> int | None:
    """More blocks until "not worse" is as likely as not, if mean and spread stay what they are."""
    room = margin - float(d.mean())
    if room <= 0.0 or (method == "sign-flip" and alpha < symmetric.FINEST):
        return None
    total = _total_blocks(room / max(float(d.std()), 1e-12), d.size, alpha, evidence, method)
    return max(1, int(np.ceil(total)) - d.size) if total < _HOPELESS else None


def _total_blocks(effect: float, n: int, alpha: float, evidence: float, method: Method) -> float:
    """Blocks in all for an `effect` in standard deviations a block (sign-flip, symmetric) or the wealth's
    growth.
    """
    if method == "sign-flip":
        return max(symmetric.blocks_needed(alpha), (NormalDist().inv_cdf(1.0 - alpha) / effect) ** 2)
    if method == "symmetric":
        nats = float(np.log(symmetric.BETS.size / alpha))
        return max(2.0 * nats / effect**2, nats / float(np.log(2.0)))
    return float(-n * np.log(alpha) / evidence) if evidence > 0.0 else np.inf
