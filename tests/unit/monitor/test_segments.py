"""Segments: which are watched, and which is named when one gets worse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from msgspec.structs import replace

from noria.monitor.segments import LEAST, MOST, begin_segments, step_segments, terms_of, within
from noria.records.base import canonical, parse
from noria.records.monitoring import Alarm, Block, RiskState, SegmentRisk, Term

START = datetime(2025, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = {"carrier": "category", "distance": "number", "flag": "number", "alone": "category"}


def rows(day: int, count: int = 120) -> tuple[pl.DataFrame, np.ndarray]:
    """A day's rows, and losses with a level of the day's own."""
    rng = np.random.default_rng(day)
    frame = pl.DataFrame(
        {
            "carrier": rng.choice(["AA", "UA", "B6"], count, p=[0.5, 0.3, 0.2]),
            "distance": rng.gamma(4.0, 250.0, count),
            "flag": rng.integers(0, 2, count),
            "alone": ["x"] * count,
        }
    )
    return frame, np.clip(rng.gamma(4.0, 0.1, count) + 0.03 * rng.standard_normal(), 0, 5)


def begun(days: int = 40, **changes: object) -> tuple[SegmentRisk, ...]:
    parts = [rows(1000 + day) for day in range(days)]
    asked = {"declared": (), "search": True, "false_alarm": 0.01, "tolerance": 0.02, "loss_range": (0.0, 5.0)}
    return begin_segments(
        pl.concat([frame for frame, _ in parts]),
        np.concatenate([losses for _, losses in parts]),
        np.repeat(np.arange(days), 120),
        KINDS,
        **(asked | changes),  # type: ignore[arg-type]
    )


def watched(
    segments: tuple[SegmentRisk, ...], days: int, worse: Term | None = None
) -> list[tuple[int, Alarm]]:
    state = RiskState(model="delay", version=3, bound=1.0, threshold=100.0, segments=segments)
    found = []
    for day in range(days):
        frame, losses = rows(day)
        if worse is not None:
            losses = np.where(within(frame, (worse,)), np.clip(losses + 0.5, 0, 5), losses)
        start = START + DAY * day
        block = Block(
            model="delay",
            version=3,
            start=start,
            end=start + DAY,
            predictions=120,
            labelled=120,
            loss=float(losses.mean()),
        )
        named = frame.rename({name: f"request.{name}" for name in frame.columns})
        state, alarms = step_segments(state, block, named, losses, start + DAY, prefix="request.")
        found += [(day, alarm) for alarm in alarms]
        state = parse(canonical(state), RiskState)  # as a watcher that begins anew has it
    return found


def test_one_column_then_two_and_no_more_than_the_blocks_bear() -> None:
    found = begun()
    assert 10 < len(found) <= MOST
    assert [one.name for one in found[:2]] == ["alone=x", "flag>=1"] or "alone=x" in [
        one.name for one in found[:1]
    ]
    assert any(len(one.terms) == 2 for one in found)
    assert not any(one.declared for one in found)
    few = begun(11)
    assert len(few) < len(found)
    assert begun(5) == ()


def test_declared_segments_are_watched_although_nothing_is_searched() -> None:
    names = [one.name for one in begun(declared=("carrier", "unknown"), search=False)]
    assert names == ["carrier=AA", "carrier=UA", "carrier=B6"]


def test_declared_and_found_ones_share_the_error() -> None:
    found = begun(declared=("carrier",))
    assert sum(2 / one.threshold for one in found if one.declared) <= 0.005 + 1e-12
    assert sum(2 / one.threshold for one in found if not one.declared) <= 0.005 + 1e-12


def test_the_segment_that_got_worse_is_named_and_no_other() -> None:
    found = watched(begun(declared=("carrier",), search=False), 40, Term(column="carrier", level="B6"))
    assert [alarm.subject for _, alarm in found] == ["carrier=B6"]
    assert found[0][0] < 20
    assert "where carrier=B6" in found[0][1].why
    searched = watched(begun(), 40, Term(column="carrier", level="B6"))
    assert searched[0][1].subject.startswith("carrier=B6") or "carrier=B6" in searched[0][1].subject


def test_a_world_that_stays_raises_nothing() -> None:
    assert watched(begun(declared=("carrier",)), 60) == []


def test_a_block_with_few_rows_of_a_segment_says_nothing() -> None:
    (segment,) = [one for one in begun(declared=("carrier",), search=False) if one.name == "carrier=B6"]
    state = RiskState(model="delay", version=3, bound=1.0, threshold=100.0, segments=(segment,))
    frame = pl.DataFrame({"carrier": ["B6"] * (LEAST - 1) + ["AA"] * 50})
    block = Block(
        model="delay", version=3, start=START, end=START + DAY, predictions=54, labelled=54, loss=5.0
    )
    after, alarms = step_segments(state, block, frame, np.full(frame.height, 5.0), START, prefix="")
    assert (after.segments, alarms) == ((segment,), [])


def test_terms_divide_what_they_can() -> None:
    frame = pl.DataFrame(
        {
            "two": [0.0, 1.0] * 6,
            "one": [1.0] * 12,
            "gone": pl.Series([None] * 12, dtype=pl.Float64),
            "nan": [float("nan"), 1.0, 2.0, 3.0] * 3,
            "text": [None, "a", "b"] * 4,
        }
    )
    assert [term.name for term in terms_of(frame, "two", "number", 8)] == ["two<1", "two>=1"]
    assert terms_of(frame, "one", "number", 8) == terms_of(frame, "gone", "number", 8) == []
    assert [term.name for term in terms_of(frame, "text", "category", 8)] == ["text=a", "text=b"]
    thirds = [within(frame, (term,)).sum() for term in terms_of(frame, "nan", "number", 8)]
    assert sum(thirds) == 9, "what is missing is in no segment"
    assert not within(frame, (Term(column="elsewhere", level="a"),)).any()
    assert replace(Term(column="x", low=1.0, high=2.0)).name == "1<=x<2"


def test_a_segment_without_any_loss_does_not_keep_the_others_from_being_watched() -> None:
    parts = [rows(1000 + day) for day in range(40)]
    frame = pl.concat([each for each, _ in parts])
    losses = np.where(frame["carrier"] == "B6", 0.0, np.concatenate([each for _, each in parts]))
    found = begin_segments(
        frame,
        losses,
        np.repeat(np.arange(40), 120),
        KINDS,
        declared=("carrier",),
        search=False,
        false_alarm=0.01,
        tolerance=0.0,
        loss_range=(0.0, 5.0),
    )
    assert [one.name for one in found] == ["carrier=AA", "carrier=UA", "carrier=B6"]
    assert all(one.bound > 0.0 for one in found)


def test_few_rows_of_a_segment_scatter_and_prove_little() -> None:
    segments = begun(declared=("carrier",), search=False)
    assert [round(one.usual, -1) for one in segments] == [60, 40, 20]
    state = RiskState(model="delay", version=3, bound=1.0, threshold=100.0, segments=segments[:1])
    block = Block(
        model="delay", version=3, start=START, end=START + DAY, predictions=40, labelled=40, loss=0.6
    )
    evidence = {}
    for count in (6, 40):
        frame = pl.DataFrame({"carrier": ["AA"] * count})
        after, _ = step_segments(state, block, frame, np.full(count, 0.9), START + DAY, prefix="")
        evidence[count] = after.segments[0].e_value
    assert evidence[6] < evidence[40]
