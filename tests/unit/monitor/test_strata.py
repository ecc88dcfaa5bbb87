"""What blocks must have in common to be compared."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from noria.monitor.blocks import EPOCH
from noria.monitor.drift import advanced, evidence_of, reference_of, rung
from noria.monitor.strata import RHYTHMS, chosen, sees, strata_of
from noria.statistics import DriftState

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)


def place(strata: str, moment: datetime, width: timedelta) -> int:
    found = strata_of(strata, np.array([(moment - EPOCH) // width]), width)
    assert found is not None
    return int(found[0])


def test_a_block_stands_where_it_begins() -> None:
    tuesday = datetime(2025, 3, 4, 5, tzinfo=UTC)
    assert place("hour", tuesday, HOUR) == 5
    assert place("weekday", tuesday, HOUR) == 1
    assert place("hour of week", tuesday, HOUR) == 29
    assert place("weekday", datetime(1969, 12, 28, tzinfo=UTC), DAY) == 6
    assert strata_of("none", np.arange(3), HOUR) is None


@pytest.mark.parametrize(
    ("strata", "width", "sees_them"),
    [("hour", HOUR, True), ("hour", 6 * HOUR, True), ("hour", 5 * HOUR, False), ("hour", DAY, False),
     ("weekday", DAY, True), ("weekday", WEEK, False), ("hour of week", DAY, True), ("weekday", HOUR, True)],
)  # fmt: skip
def test_which_blocks_have_a_stratum_of_their_own(strata: str, width: timedelta, sees_them: bool) -> None:
    assert sees(strata, width) is sees_them


def test_left_to_noria_strata_are_as_fine_as_the_training_data_bear() -> None:
    def hours(days: int) -> np.ndarray:
        return np.arange(24 * days)

    assert chosen("auto", hours(5), HOUR) == "none"
    assert chosen("auto", hours(20), HOUR) == "hour"
    assert chosen("auto", hours(7 * 14), HOUR) == "hour of week"
    assert chosen("auto", np.arange(400), DAY) == "none"
    assert chosen("auto", np.empty(0, np.int64), HOUR) == "none"
    assert [chosen(name, hours(1), HOUR) for name in RHYTHMS] == list(RHYTHMS)


def rows(first: int, days: int, *, dark: float) -> tuple[np.ndarray, np.ndarray]:
    """Twenty rows an hour: light by day, and `dark` at night."""
    rng = np.random.default_rng(first)
    blocks = np.repeat(np.arange(24 * first, 24 * (first + days)), 20)
    night = (blocks % 24 < 6) | (blocks % 24 > 20)
    return rng.normal(np.where(night, dark, 6.0)), blocks


@pytest.mark.parametrize(
    ("strata", "dark", "rings"),
    [("hour", 0.0, False), ("none", 0.0, False), ("hour", 1.0, True), ("none", 1.0, False)],
)
def test_nights_that_are_lighter_are_seen_among_nights_alone(strata: str, dark: float, rings: bool) -> None:
    before, at = rows(0, 30, dark=0.0)
    reference = reference_of(
        {"light": before}, at, strata_of(strata, at, HOUR), false_alarm=0.01, tolerance=0.0, seed=1
    )
    state = DriftState.first(reference)
    values, blocks = rows(30, 1, dark=dark)
    counts = reference.count({"light": values}, blocks, strata_of(strata, blocks, HOUR))
    found = evidence_of(reference, advanced(reference, state, counts))
    assert rung(found["light"]) is rings
