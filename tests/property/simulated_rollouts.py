"""Rollouts as a judge sees them, drawn: units, failures, slow answers, answers in bins and losses by blocks, look by look."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from noria.records.rollouts import Counted, Firsts, Judged, Losses, Observed, RolloutPolicy, Standing
from noria.rollout.judge import metrics_of
from noria.statistics.bands import distribution_radius
from noria.statistics.rates import split_log_evidence
from noria.statistics.symmetric import log_evidence_path

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

STEPS = (0.05, 0.25, 0.5)
LOOKS = 12  # a step
UNITS = 100  # that come between two looks
BINS = 8  # of answers, evenly filled by the champion
GRID = 0.3  # nats: the interval of a loss is sought on a grid


@dataclass(frozen=True)
class Truth:
    """What is so: the challenger's, then the champion's."""

    failed: tuple[float, float] = (0.04, 0.04)
    slow: tuple[float, float] = (0.08, 0.08)
    apart: float = 0.0
    """Of both distributions of answers: so much of the challenger's mass is moved from the last bin to the first."""
    loss: float = 0.0
    shares: tuple[float, ...] = STEPS
    """Of the units that come to the challenger in truth."""

    def rates(self, metric: str) -> tuple[float, float]:
        return self.failed if metric == "errors" else self.slow

    def answers(self) -> Floats:
        """(2, bins): the challenger's, the champion's."""
        even = np.full(BINS, 1.0 / BINS)
        moved = even.copy()
        moved[0] += self.apart
        moved[-1] -= self.apart
        return np.stack([moved, even])

    def is_false(self, one: Standing, policy: RolloutPolicy) -> bool:
        """Whether a verdict is wrong. Exactly at a limit, "worse" and "not worse" both are."""
        near = 1e-9
        if one.metric in ("errors", "slow"):
            new, old = self.rates(one.metric)
            bad = new / old >= policy.ratio - near and new - old >= policy.margin - near
            false = {"worse": new / old <= policy.ratio + near, "better": new >= old, "not worse": bad}
        else:
            value = self.apart if one.metric == "predictions" else self.loss
            limit = (policy.predictions if one.metric == "predictions" else policy.quality) or 0.0
            false = {
                "worse": value <= limit + near,
                "better": value >= 0.0,
                "not worse": value >= limit - near,
            }
        return false.get(one.verdict, False)

    def contradicts(self, judged: Judged, policy: RolloutPolicy) -> bool:
        """Whether any verdict of a look is wrong."""
        broken = judged.broken and self.shares == STEPS
        return broken or any(self.is_false(one, policy) for one in judged.standings)


@dataclass(frozen=True)
class Drawn:
    """Of many rollouts: counts by (rollout, look, arm), each look's own; answers by (rollout, look, arm, bin)."""

    units: Counts
    failed: Counts
    slow: Counts
    answers: Counts
    losses: Floats
    """(rollout, look): of the block that ends there."""

    def seen(self, rollout: int, look: int) -> Observed:
        """All that is known at a look."""
        stretches = [slice(at, min(at + LOOKS, look + 1)) for at in range(0, look + 1, LOOKS)]

        def pair(counts: Counts, of: slice) -> tuple[int, int]:
            mine, own = counts[rollout, of].sum(axis=0)
            return int(mine), int(own)

        def firsts(arm: int) -> Firsts:
            units, failed, slow = (
                int(one[rollout, : look + 1, arm].sum()) for one in (self.units, self.failed, self.slow)
            )
            return Firsts(units=units, failed=failed, slow=slow)

        binned = self.answers[rollout, : look + 1].sum(axis=0)
        return Observed(
            counted=tuple(
                Counted(
                    share=share,
                    units=pair(self.units, of),
                    failed=pair(self.failed, of),
                    slow=pair(self.slow, of),
                )
                for share, of in zip(STEPS, stretches, strict=False)
            ),
            here=pair(self.units, stretches[-1]),
            challenger=firsts(0),
            champion=firsts(1),
            answers=tuple((int(mine), int(own)) for mine, own in binned.T),
            losses=Losses(differences=tuple(self.losses[rollout, : look + 1].tolist())),
        )


def draw(truth: Truth, rollouts: int, seed: int) -> Drawn:
    random = np.random.default_rng(seed)
    looks = LOOKS * len(STEPS)
    share = np.repeat(truth.shares, LOOKS)
    mine = random.binomial(UNITS, share, (rollouts, looks))
    units = np.stack([mine, UNITS - mine], axis=-1)
    return Drawn(
        units=units,
        failed=random.binomial(units, truth.failed),
        slow=random.binomial(units, truth.slow),
        answers=random.multinomial(units, truth.answers()),
        losses=np.clip(random.normal(truth.loss, 0.05, (rollouts, looks)), -1.0, 1.0),
    )


def doubtful(drawn: Drawn, truth: Truth, policy: RolloutPolicy) -> Iterator[tuple[int, list[int]]]:
    """Rollouts, and their looks, at which some interval may miss what is true; at all others no verdict can be false."""
    alpha = policy.false_alarm / len(metrics_of(policy))
    over = _split(drawn) >= -math.log(alpha)
    for metric, counts in (("errors", drawn.failed), ("slow", drawn.slow)):
        rates = truth.rates(metric)
        over |= _ratio(counts, rates[0] / rates[1]) >= math.log(2.0 / alpha)
        for arm, rate in enumerate(rates):
            over |= _share(counts[..., arm], drawn.units[..., arm], rate) >= math.log(4.0 / alpha)
    for arm, real in enumerate(truth.answers()):
        over |= _outside(drawn.answers[:, :, arm], real, alpha / 2.0)
    for side in (1.0, -1.0):
        over |= log_evidence_path(side * (drawn.losses - truth.loss)) >= math.log(2.0 / alpha) - GRID
    for rollout in np.flatnonzero(over.any(axis=1)):
        yield int(rollout), [int(look) for look in np.flatnonzero(over[rollout])]


def _by_step(counts: Counts) -> list[Counts]:
    """Counts of each step up to each look: (rollout, look, arm)."""
    found = []
    for at in range(len(STEPS)):
        only = np.zeros_like(counts)
        of = slice(at * LOOKS, (at + 1) * LOOKS)
        only[:, of] = counts[:, of]
        found.append(only.cumsum(axis=1))
    return found


def _split(drawn: Drawn) -> Floats:
    return _ratio(drawn.units, 1.0)


def _ratio(counts: Counts, ratio: float) -> Floats:
    """Log of the evidence against a ratio of rates."""
    total = np.zeros(counts.shape[:2])
    for share, found in zip(STEPS, _by_step(counts), strict=True):
        even = np.array([share, 1.0 - share])
        real = even * (ratio, 1.0)
        real /= real.sum()
        total += split_log_evidence(found, even) + (found * np.log(even / real)).sum(axis=-1)
    return total


def _share(events: Counts, units: Counts, real: float) -> Floats:
    """Log of the evidence against a share of units with an event."""
    x, n = events.cumsum(axis=1), units.cumsum(axis=1)
    mixture = gammaln(x + 0.5) + gammaln(n - x + 0.5) - gammaln(n + 1.0) - math.log(math.pi)
    return np.asarray(mixture - x * math.log(real) - (n - x) * math.log1p(-real))


def _outside(answers: Counts, real: Floats, alpha: float) -> NDArray[np.bool_]:
    """Where a distribution lies outside of its band. `answers`: (rollout, look, bin)."""
    found = answers.cumsum(axis=1)
    units = found.sum(axis=-1)
    off = np.abs(found.cumsum(axis=-1) / np.maximum(units, 1)[..., None] - real.cumsum()).max(axis=-1)
    radius = np.array([distribution_radius(n, alpha) for n in range(int(units.max()) + 1)])
    return np.asarray(off >= radius[units])
