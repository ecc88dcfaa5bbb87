"""Verdicts on rates of events, and what is refused."""

import math

import pytest

from noria.statistics import Stretch, compare_rates, split_evidence
from noria.statistics.rates import ratio_bounds


def test_without_events_nothing_is_known() -> None:
    found = compare_rates([Stretch(0, 0, 0.1)], margin=1.5)
    assert found.verdict == "undecided"
    assert (found.lower, found.upper, found.estimate, found.needed) == (0.0, math.inf, None, None)
    assert found.e_value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [((60, 100), "worse"), ((300, 3000), "not worse"), ((10, 900), "better"), ((12, 100), "undecided")],
)
def test_verdicts(counts: tuple[int, int], verdict: str) -> None:
    found = compare_rates([Stretch(*counts, 0.1)], margin=1.25)
    assert found.verdict == verdict
    assert found.lower <= (found.estimate or 0.0) <= found.upper


def test_the_estimate_is_the_ratio_of_rates() -> None:
    assert compare_rates([Stretch(50, 100, 0.1)]).estimate == pytest.approx(50 / 0.1 / (100 / 0.9))


def test_what_it_needs_more_decides() -> None:
    found = compare_rates([Stretch(12, 100, 0.1)], margin=2.0)
    assert found.verdict == "undecided" and found.needed is not None
    times = 1 + found.needed / found.events
    grown = Stretch(round(12 * times * 1.05), round(100 * times * 1.05), 0.1)
    assert compare_rates([grown], margin=2.0).verdict != "undecided"


def test_equal_rates_are_never_under_a_margin_of_nothing() -> None:
    found = compare_rates([Stretch(1_000, 9_000, 0.1)], margin=1.0)
    assert found.verdict == "undecided" and found.needed is None


def test_the_edges_of_the_interval_are_refuted_just_outside() -> None:
    part = Stretch(40, 200, 0.2)
    low, high = ratio_bounds([part], alpha=0.05)
    inner, outer = ratio_bounds([part], alpha=0.01)
    assert inner < low < high < outer


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Stretch(1, 1, share)


def test_counts_and_shares_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="counts"):
        Stretch(-1, 1, 0.5)
    with pytest.raises(ValueError, match="sum 1"):
        split_evidence([1, 2], [0.5, 0.6])
    with pytest.raises(ValueError, match="two outcomes"):
        split_evidence([1], [1.0])
    with pytest.raises(ValueError, match="below 0"):
        split_evidence([-1, 2], [0.5, 0.5])
    with pytest.raises(ValueError, match="margin"):
        compare_rates([], margin=0.9)
    with pytest.raises(ValueError, match="alpha"):
        compare_rates([], alpha=0.0)
