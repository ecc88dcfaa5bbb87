"""Do errors, slow answers or other events fall on the challenger more often than its share of the traffic says?

Given that an event happened, it is the challenger's with probability r, its share, if both versions fail alike: however many
requests there are and however traffic moves. With x of the challenger's events and y of the champion's, a mixture over
Beta priors with mean r, one for each strength s,

    E = mean over s in {1, 10, 100, 1000} of B(s r + x, s (1 - r) + y) / (B(s r, s (1 - r)) r^x (1 - r)^y),

is an e-process (Lindon & Malek, NeurIPS 2022, for two outcomes): P(ever E >= 1/a) <= a. The weak strengths see a catastrophe
in five events, the strong ones a change of a tenth in thousands. Each stretch of a rollout with a share of its own has its
counts; E is then the product over stretches.

The unit of evidence is a *unit* (a user, an order) and its first event, not a request: ten errors of one failing user are one
misfortune. The same test with the configured share watches the split itself (`split_evidence`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from noria.statistics.arrays import Floats, check_error_rate
from noria.statistics.gamma import log_gamma

RateVerdict = Literal["better", "not worse", "worse", "undecided"]

STRENGTHS = np.array([1.0, 10.0, 100.0, 1000.0])
_LARGEST = 700.0  # exp of it is a number still
_FURTHEST = 60.0  # log of a ratio of rates; beyond, the bound is "none"
_STEPS = 80  # halvings of an interval of 120: to 1e-22
_HOPELESS = 1_000.0  # times the events so far; beyond, "how many more" is no answer


@dataclass(frozen=True, slots=True)
class Stretch:
    """Units with an event while the challenger had one share of the traffic."""

    challenger: int
    champion: int
    share: float
    """The challenger's part of the units of both, between 0 and 1."""

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ValueError(f"share: expected a number between 0 and 1, got {self.share}")
        if self.challenger < 0 or self.champion < 0:
            raise ValueError(f"counts: expected none below 0, got {self.challenger} and {self.champion}")

    @property
    def counts(self) -> tuple[int, int]:
        return self.challenger, self.champion

    @property
    def shares(self) -> tuple[float, float]:
        return self.share, 1.0 - self.share


@dataclass(frozen=True, slots=True)
class RateComparison:
    """The verdict and what it rests on. A ratio is the challenger's rate over the champion's."""

    verdict: RateVerdict
    lower: float  # the ratio is under it at some look with probability at most alpha, together with `upper`
    upper: float  # inf where the events so far allow any
    estimate: float | None  # None without events of the champion
    margin: float
    alpha: float
    e_value: float  # against "the ratio is 1", at this look; valid at every look
    events: int
    needed: int | None  # more events to a verdict at the present rates; None when decided or out of sight


def compare_rates(
    stretches: Sequence[Stretch], *, margin: float = 1.0, alpha: float = 0.05
) -> RateComparison:
    """Judge a challenger by its events. `margin` >= 1: the ratio of rates that is still "not worse".

    "worse": the lower bound of the ratio is over the margin; "better": the upper bound is under 1; "not worse": under the
    margin; else "undecided". The bounds hold at all looks together with probability at least 1 - alpha, whatever the
    traffic does, as long as units come to the versions by chance. ValueError for a senseless margin or alpha.
    """
    check_error_rate(alpha, "alpha")
    if not (math.isfinite(margin) and margin >= 1.0):
        raise ValueError(f"margin: expected a ratio of at least 1, got {margin}")
    lower, upper = ratio_bounds(stretches, alpha=alpha)
    verdict = _verdict(lower, upper, margin)
    return RateComparison(
        verdict=verdict,
        lower=lower,
        upper=upper,
        estimate=_estimate(stretches),
        margin=margin,
        alpha=alpha,
        e_value=math.exp(min(log_evidence(stretches), _LARGEST)),
        events=sum(each.challenger + each.champion for each in stretches),
        needed=_needed(stretches, margin, alpha) if verdict == "undecided" else None,
    )


def rate_verdict(stretches: Sequence[Stretch], *, margin: float, alpha: float) -> RateVerdict:
    """What `compare_rates` says, without the interval that it rests on: for whoever asks it of many counts."""
    room = _room(stretches, alpha)

    def is_over(log_ratio: float) -> bool:
        return _is_likelier_above(stretches, log_ratio) and _log_likelihood_lost(stretches, log_ratio) >= room

    def is_under(log_ratio: float) -> bool:
        return (
            not _is_likelier_above(stretches, log_ratio)
            and _log_likelihood_lost(stretches, log_ratio) >= room
        )

    if is_over(math.log(margin)):
        return "worse"
    if is_under(0.0):
        return "better"
    return "not worse" if is_under(math.log(margin)) else "undecided"


def log_evidence(stretches: Sequence[Stretch]) -> float:
    """Log of the e-value against "both versions' rates are the same"."""
    return sum(_log_evidence_of(each) for each in stretches)


def split_log_evidence(counts: ArrayLike, shares: ArrayLike) -> Floats:
    """Log of the e-value against "each falls to a version with the probability of its share".

    `counts` (..., K): of any K >= 2 outcomes; `shares` (..., K): positive, with sum 1. The result has the shape (...). Of K
    outcomes the mixture is over Dirichlet priors. ValueError for shares that are none, or counts under 0.
    """
    n, p = np.asarray(counts, np.float64), np.asarray(shares, np.float64)
    if n.ndim == 0 or n.shape[-1] < 2 or n.shape[-1] != p.shape[-1]:
        raise ValueError(f"counts and shares: expected two outcomes or more, got {n.shape} and {p.shape}")
    if not (np.isfinite(p).all() and (p > 0.0).all() and np.allclose(p.sum(axis=-1), 1.0)):
        raise ValueError("shares: expected positive numbers with sum 1")
    if not (np.isfinite(n).all() and (n >= 0.0).all()):
        raise ValueError("counts: expected none below 0")
    prior = STRENGTHS.reshape(-1, *(1,) * max(n.ndim, p.ndim)) * p
    likelihood = (n * np.log(p)).sum(axis=-1)
    each = _log_beta(prior + n) - _log_beta(prior) - likelihood
    most = each.max(axis=0)
    return np.asarray(most + np.log(np.exp(each - most).mean(axis=0)), np.float64)


def split_evidence(counts: ArrayLike, shares: ArrayLike) -> Floats:
    """The e-value itself, cut where it would be no number: a sample-ratio mismatch at a when it is 1/a or more."""
    return np.exp(np.minimum(split_log_evidence(counts, shares), _LARGEST))


def ratio_bounds(stretches: Sequence[Stretch], *, alpha: float) -> tuple[float, float]:
    """The ratios that the events do not refute at 1/alpha: an interval, for the evidence is convex in the log of the ratio."""
    best = _least_refuted(stretches)
    if best is None:
        return 0.0, math.inf

    room = _room(stretches, alpha)

    def refuted(log_ratio: float) -> bool:
        return _log_likelihood_lost(stretches, log_ratio) >= room

    lower = math.exp(_edge(refuted, -_FURTHEST, best)) if refuted(-_FURTHEST) else 0.0
    upper = math.exp(_edge(refuted, _FURTHEST, best)) if refuted(_FURTHEST) else math.inf
    return lower, upper


def _log_beta(a: Floats) -> Floats:
    """Of the multivariate Beta function, over the last axis."""
    return np.asarray(log_gamma(a).sum(axis=-1) - log_gamma(a.sum(axis=-1)))


def _log_evidence_of(one: Stretch) -> float:
    """`split_log_evidence` of two outcomes without arrays: a hundredth of the time, and a look asks it dozens of times."""
    strengths = STRENGTHS.tolist()
    r, q = one.shares
    each = [
        _log_beta_of(s * r + one.challenger, s * q + one.champion) - _log_beta_of(s * r, s * q)
        for s in strengths
    ]
    most = max(each)
    mixed = most + math.log(sum(math.exp(x - most) for x in each) / len(each))
    return mixed - one.challenger * math.log(r) - one.champion * math.log(q)


def _log_beta_of(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _room(stretches: Sequence[Stretch], alpha: float) -> float:
    """How much less likely than equal rates a ratio may make the events and not be refuted."""
    return -math.log(alpha) - log_evidence(stretches)


def _log_likelihood_lost(stretches: Sequence[Stretch], log_ratio: float) -> float:
    """How much less likely a ratio makes the events than equal rates do; the mixture stays where it was laid."""
    lost = 0.0
    for each in stretches:
        odds = math.log(each.share) - math.log1p(-each.share)
        lost += each.challenger * (_log_chance(odds) - _log_chance(odds + log_ratio))
        lost += each.champion * (_log_chance(-odds) - _log_chance(-odds - log_ratio))
    return lost


def _log_chance(odds: float) -> float:
    """Log of the probability with these log odds."""
    return -math.log1p(math.exp(-odds)) if odds > -_FURTHEST else odds


def _least_refuted(stretches: Sequence[Stretch]) -> float | None:
    """Log of the likeliest ratio, where the evidence is least; None without events."""
    challenger = sum(each.challenger for each in stretches)
    champion = sum(each.champion for each in stretches)
    if challenger + champion == 0:
        return None
    if challenger == 0 or champion == 0:
        return -_FURTHEST if challenger == 0 else _FURTHEST
    low, high = -_FURTHEST, _FURTHEST
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _is_likelier_above(stretches, middle) else (low, middle)
    return (low + high) / 2.0


def _is_likelier_above(stretches: Sequence[Stretch], log_ratio: float) -> bool:
    """Whether the likeliest ratio is over this one: more of the events are the challenger's than it expects."""
    expected = sum(
        (each.challenger + each.champion) / (1.0 + (1.0 - each.share) / each.share * math.exp(-log_ratio))
        for each in stretches
    )
    return expected < sum(each.challenger for each in stretches)


def _edge(refuted: Callable[[float], bool], outside: float, inside: float) -> float:
    """Where refuted ratios end, from one that is to one that is not."""
    for _ in range(_STEPS):
        middle = (outside + inside) / 2.0
        outside, inside = (middle, inside) if refuted(middle) else (outside, middle)
    return outside


def _estimate(stretches: Sequence[Stretch]) -> float | None:
    best = _least_refuted(stretches)
    if best is None or best >= _FURTHEST:
        return None
    return math.exp(best) if best > -_FURTHEST else 0.0


def _verdict(lower: float, upper: float, margin: float) -> RateVerdict:
    if lower > margin:
        return "worse"
    if upper < 1.0:
        return "better"
    return "not worse" if upper < margin else "undecided"


def _needed(stretches: Sequence[Stretch], margin: float, alpha: float) -> int | None:
    """More events until the interval decides, if all grow as they did."""
    events = sum(each.challenger + each.champion for each in stretches)
    if not events:
        return None
    few, many = 1.0, _HOPELESS
    if not _decides(stretches, many, margin, alpha):
        return None
    while many / few > 1.01:
        middle = math.sqrt(few * many)
        few, many = (few, middle) if _decides(stretches, middle, margin, alpha) else (middle, many)
    return max(1, math.ceil(events * (many - 1.0)))


def _decides(stretches: Sequence[Stretch], times: float, margin: float, alpha: float) -> bool:
    grown = [
        Stretch(round(each.challenger * times), round(each.champion * times), each.share)
        for each in stretches
    ]
    return rate_verdict(grown, margin=margin, alpha=alpha) != "undecided"
