"""Events of two versions, by simulation: false verdicts within their bound at every look, early sight of a catastrophe,
and the simulation itself able to fail.
"""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from noria.statistics import Stretch, compare_rates, split_evidence
from noria.statistics.rates import log_evidence, rate_verdict, ratio_bounds, split_log_evidence
from property.bounds import surely_over

Counts = NDArray[np.int64]
STREAMS, LOOKS, UNITS = 2_000, 200, 20
RNG = 20130101


def events(
    rng: np.random.Generator, rates: tuple[float, float], share: float, streams: int = STREAMS
) -> Counts:
    """Running counts (streams, looks, 2) of units with an event, the challenger's first; `UNITS` units come a look."""
    ours = rng.binomial(UNITS, share, (streams, LOOKS))
    found = np.stack([rng.binomial(ours, rates[0]), rng.binomial(UNITS - ours, rates[1])], axis=-1)
    return np.asarray(found.cumsum(axis=1))


def ever(counts: Counts, share: float, a: float) -> int:
    """Streams in which the evidence reaches 1/a at some look."""
    logs = split_log_evidence(counts, [share, 1 - share])
    return int((logs.max(axis=1) >= -math.log(a)).sum())


@pytest.mark.parametrize("a", [0.01, 0.05])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_versions_that_fail_alike_are_told_apart_no_more_often_than_promised(a: float, share: float) -> None:
    counts = events(np.random.default_rng(RNG), (0.2, 0.2), share)
    assert not surely_over(ever(counts, share, a), STREAMS, a)


def test_traffic_that_follows_the_errors_changes_nothing() -> None:
    """Few errors, much traffic; many errors, little: who stops and goes by what was seen gains nothing."""
    rng, a, share = np.random.default_rng(RNG), 0.05, 0.1
    found = np.zeros((STREAMS, LOOKS, 2), np.int64)
    seen = np.zeros((STREAMS, 2), np.int64)
    for look in range(LOOKS):
        units = np.where(seen[:, 0] > share * seen.sum(axis=1), 5, 60)
        ours = rng.binomial(units, share)
        seen = seen + np.stack([rng.binomial(ours, 0.2), rng.binomial(units - ours, 0.2)], axis=-1)
        found[:, look] = seen
    assert not surely_over(ever(found, share, a), STREAMS, a)


def test_a_share_that_grows_keeps_the_bound_stretch_by_stretch() -> None:
    rng, a = np.random.default_rng(RNG), 0.05
    parts = [(share, events(rng, (0.2, 0.2), share)[:, :60]) for share in (0.05, 0.25, 0.5)]
    total = np.zeros(STREAMS)
    highest = np.full(STREAMS, -np.inf)
    for share, counts in parts:
        logs = total[:, None] + split_log_evidence(counts, [share, 1 - share])
        highest, total = np.maximum(highest, logs.max(axis=1)), logs[:, -1]
    assert not surely_over(int((highest >= -math.log(a)).sum()), STREAMS, a)


def test_requests_in_the_place_of_units_break_the_bound() -> None:
    """Planted: each failing unit fails ten times over, and each time is counted."""
    counts = 10 * events(np.random.default_rng(RNG), (0.2, 0.2), 0.1)
    assert surely_over(ever(counts, 0.1, 0.05), STREAMS, 0.05)


def test_a_share_that_is_not_the_real_one_is_found() -> None:
    """Planted: the split sends 11 % where 10 % were asked for; and as it was asked for, nothing is found."""
    rng = np.random.default_rng(RNG)
    units = np.full(LOOKS, 1_000)
    for real, found in ((0.10, False), (0.11, True)):
        ours = rng.binomial(units, real, (STREAMS, LOOKS)).cumsum(axis=1)
        counts = np.stack([ours, np.cumsum(units) - ours], axis=-1)
        share = ever(counts, 0.1, 0.01) / STREAMS
        assert share > 0.99 if found else not surely_over(round(share * STREAMS), STREAMS, 0.01)


def test_four_versions_at_once_keep_the_bound() -> None:
    rng, shares = np.random.default_rng(RNG), [0.7, 0.1, 0.1, 0.1]
    counts = rng.multinomial(UNITS, shares, (STREAMS, LOOKS)).cumsum(axis=1)
    over = int((split_log_evidence(counts, shares).max(axis=1) >= math.log(20)).sum())
    assert not surely_over(over, STREAMS, 0.05)
    assert float(split_evidence([700, 100, 100, 300], shares)) > 1e6


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_interval_holds_the_true_ratio_at_all_looks(ratio: float) -> None:
    streams, a, share = 200, 0.05, 0.2
    counts = events(np.random.default_rng(RNG), (0.1 * ratio, 0.1), share, streams)
    missed = 0
    for stream in counts[:, 9::19]:
        bounds = [ratio_bounds([Stretch(int(x), int(y), share)], alpha=a) for x, y in stream]
        missed += any(not low <= ratio <= high for low, high in bounds)
    assert not surely_over(missed, streams, a)


@pytest.mark.parametrize(
    ("rates", "most"), [((0.06, 0.02), 3_000), ((0.03, 0.02), 40_000), ((1.0, 0.02), 120)]
)
def test_units_until_a_worse_challenger_is_seen(rates: tuple[float, float], most: int) -> None:
    """At a tenth of the traffic and a = 0.05, in half of the streams: units of both versions together."""
    rng, share, streams = np.random.default_rng(RNG), 0.1, 400
    step = max(1, most // 200)
    ours = rng.binomial(step, share, (streams, 200))
    counts = np.stack([rng.binomial(ours, rates[0]), rng.binomial(step - ours, rates[1])], axis=-1).cumsum(
        axis=1
    )
    logs = split_log_evidence(counts, [share, 1 - share])
    assert (logs.max(axis=1) >= math.log(20)).mean() >= 0.5


def test_a_catastrophe_needs_four_events_and_one_strength_alone_needs_more() -> None:
    def events_needed(strengths: list[float]) -> int:
        for x in range(1, 100):
            each = [
                math.exp(
                    math.lgamma(s * 0.1 + x)
                    - math.lgamma(s * 0.1)
                    + math.lgamma(s)
                    - math.lgamma(s + x)
                    - x * math.log(0.1)
                )
                for s in strengths
            ]
            if sum(each) / len(each) >= 20:
                return x
        return 100

    first = next(x for x in range(1, 100) if compare_rates([Stretch(x, 0, 0.1)]).verdict == "worse")
    assert first == events_needed([1.0, 10.0, 100.0, 1000.0]) == 4
    assert events_needed([100.0]) == 10


def test_evidence_of_stretches_is_their_product() -> None:
    parts = [Stretch(3, 40, 0.05), Stretch(11, 30, 0.25)]
    assert log_evidence(parts) == pytest.approx(sum(log_evidence([part]) for part in parts))


def test_a_verdict_without_bounds_is_the_one_with_bounds() -> None:
    rng, met = np.random.default_rng(RNG), set()
    for _ in range(120):
        sizes = rng.choice([0, 1, 5, 50, 500, 2_000], (rng.integers(1, 4), 2))
        stretches = [
            Stretch(*(int(n) for n in rng.poisson(pair)), share)
            for pair, share in zip(sizes, (0.05, 0.25, 0.5), strict=False)
        ]
        margin = float(rng.choice([1.0, 1.25, 2.0]))
        verdict = compare_rates(stretches, margin=margin, alpha=0.05).verdict
        assert rate_verdict(stretches, margin=margin, alpha=0.05) == verdict
        arrays = sum(float(split_log_evidence(one.counts, one.shares)) for one in stretches)
        assert log_evidence(stretches) == pytest.approx(arrays, abs=1e-9)
        met.add(verdict)
    assert met == {"better", "not worse", "worse", "undecided"}
