"""From rows of the log to counts: units count once, requests of many rows once, and what nobody answered counts too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from noria.app.rollouts.answers import Answers
from noria.app.rollouts.counts import observed
from noria.ports.serving import Cursor, Failure, Logged
from noria.records.rollouts import Came, Counted, Losses, Observed, Rollout, RolloutPolicy, Stretch

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = 1, 2
Row = tuple[int, str, str, float]
"""Version, way, unit, seconds after noon."""


class Log:
    """What was logged, read by and by."""

    def __init__(self, *tables: pa.Table) -> None:
        self.tables = list(tables)

    def read(self, model: str, cursor: Cursor, **_: Any) -> Logged:
        tables, self.tables = self.tables[:1], self.tables[1:]
        return Logged(tables=tables, cursor={}, torn=0)

    def pieces(self, model: str, **_: Any) -> Sequence[Any]:
        return []


def logged(*rows: Row, took: int = 1_000) -> pa.Table:
    return pa.table(
        {
            "id": [f"id-{at}-{row}" for at, row in enumerate(rows)],
            "version": [row[0] for row in rows],
            "at": pa.array([NOON + timedelta(seconds=row[3]) for row in rows], pa.timestamp("us", tz="UTC")),
            "unit": [row[2] for row in rows],
            "took": [took] * len(rows),
            "way": [row[1] for row in rows],
            "answer.answer": [row[3] for row in rows],
        }
    )


def rollout(policy: RolloutPolicy) -> Rollout:
    canary = (
        Stretch(step=0, share=0.1, since=NOON, until=NOON + timedelta(seconds=100)),
        Stretch(step=1, share=0.5, since=NOON + timedelta(seconds=110)),
    )
    copies = (Stretch(step=0, share=0.0, since=NOON),)
    return Rollout(
        model="m",
        number=1,
        version=NEW,
        champion=OLD,
        policy=policy,
        started=NOON,
        by="ada",
        stretches=copies if policy.strategy == "shadow" else canary,
    )


def seen(
    *tables: pa.Table, failures: Sequence[Failure] = (), policy: RolloutPolicy | None = None
) -> Observed:
    one = rollout(policy or RolloutPolicy(latency_ms=5.0, predictions=0.1))
    trials = Answers(one, Log(*tables)).read(failures, one.stretches)  # type: ignore[arg-type]
    return observed(one, trials, Losses(), NOON + timedelta(seconds=210))


def at(seconds: float) -> int:
    return int((NOON + timedelta(seconds=seconds)).timestamp() * 1e6)


def test_a_unit_counts_once_where_it_first_comes() -> None:
    rows = [(OLD, "", "a", 1.0), (OLD, "", "a", 2.0), (NEW, "canary", "b", 3.0), (NEW, "canary", "a", 120.0)]
    found = seen(logged(*rows))
    assert [one.units for one in found.counted] == [(1, 1), (0, 0)]
    assert found.here == (1, 0)
    assert (found.challenger.units, found.champion.units) == (2, 1)
    assert found.rate == 0.01


def test_what_the_champion_answered_instead_is_a_failure_of_the_challenger() -> None:
    rows = [(OLD, "instead", "a", 1.0), (OLD, "instead", "a", 2.0), (OLD, "instead", "a", 130.0)]
    found = seen(logged(*rows))
    assert [one.failed for one in found.counted] == [(1, 0), (0, 0)]
    assert (found.challenger.units, found.challenger.failed) == (1, 1)


def test_what_nobody_answered_counts_where_it_was_sent() -> None:
    failures = [
        Failure(at=at(5), version=OLD, unit="a", way=""),
        Failure(at=at(6), version=OLD, unit="b", way="instead"),
        Failure(at=at(7), version=OLD, unit="b", way="instead"),
        Failure(at=at(105), version=OLD, unit="c", way=""),  # between two tables
    ]
    found = seen(logged((OLD, "", "d", 1.0)), failures=failures)
    assert [one.failed for one in found.counted] == [(1, 1), (0, 0)]


def test_between_two_tables_nothing_counts() -> None:
    found = seen(logged((NEW, "canary", "a", 105.0), (OLD, "", "b", -3.0), (NEW, "asked", "c", 5.0)))
    assert [one.units for one in found.counted] == [(0, 0), (0, 0)]


def test_a_request_of_many_rows_is_one_trial() -> None:
    rows = [(NEW, "canary", unit, 4.0) for unit in "abcdef"]
    assert seen(logged(*rows)).counted[0].units == (1, 0)


def test_slow_answers_count_by_the_limit() -> None:
    found = seen(logged((NEW, "canary", "a", 1.0), took=6_000), logged((OLD, "", "b", 1.0), took=4_000))
    assert found.counted[0].slow == (1, 0)


def test_read_by_and_by_it_is_the_same_as_at_once() -> None:
    """What is forgotten between two looks is not needed, also when rows come in another order."""
    rows: list[Row] = [
        (OLD, "", f"u{n % 7}", 2.0 * n) if n % 3 else (NEW, "canary", f"v{n % 5}", 2.0 * n) for n in range(80)
    ]
    rows += [(OLD, "instead", "v1", 150.0), (OLD, "instead", "v1", 20.0)]
    tables = [logged(*rows[n : n + 9]) for n in range(0, len(rows), 9)]
    assert seen(*tables) == seen(logged(*rows)) == seen(*reversed(tables))


def test_of_copies_only_what_one_alone_fails_at_counts() -> None:
    policy = RolloutPolicy(strategy="shadow")
    both = [(OLD, "", unit, 1.0) for unit in "abc"] + [(NEW, "shadow", unit, 1.5) for unit in "ab"]
    failures = [
        Failure(at=at(2), version=NEW, unit="c", way="shadow"),
        Failure(at=at(3), version=NEW, unit="b", way="shadow"),
        Failure(at=at(3), version=OLD, unit="b", way=""),
        Failure(at=at(4), version=OLD, unit="z", way=""),  # of which the shadow was never asked
    ]
    rows = [logged(one) for one in both]
    assert seen(*rows, failures=failures, policy=policy).counted == (
        Counted(units=(0, 4), failed=(1, 0), share=0.0),
    )


def test_answers_fall_into_bins_in_their_order() -> None:
    rows = [(OLD if n % 2 else NEW, "" if n % 2 else "canary", f"u{n}", 0.5 * n) for n in range(150)]
    bins = seen(logged(*rows)).answers
    assert len(bins) == 64
    assert (sum(one for one, _ in bins), sum(other for _, other in bins)) == (75, 75)


def test_without_a_row_there_is_nothing() -> None:
    found = seen()
    assert found.counted == (Counted(share=0.1), Counted(share=0.5))
    assert found.answers == ()


def test_quantiles_are_of_what_units_were_first_answered_in() -> None:
    slow = [logged((NEW, "canary", f"u{n}", 1.0 + n), took=1_000 * (n + 1)) for n in range(99)]
    again = [logged((NEW, "canary", f"u{n}", 1.5 + n), took=9_000_000) for n in range(99)]
    lost = [logged((OLD, "instead", f"f{n}", 2.0), took=9_000_000) for n in range(9)]
    mine, own = seen(*slow, *again, *lost, logged((OLD, "", "a", 1.0))).took
    assert [one.level for one in mine] == [0.5, 0.95, 0.99]
    assert [one.estimate for one in mine] == pytest.approx([50.0, 94.1, 98.0], abs=0.5)
    assert mine[0].lower is not None
    assert mine[0].upper is not None
    assert 10.0 < mine[0].lower < 50.0 < mine[0].upper < 90.0
    assert mine[2].upper is None  # a hundred answers say nothing of the slowest one
    assert [one.estimate for one in own] == [1.0, 1.0, 1.0]
    assert own[0].lower is own[0].upper is None


@pytest.mark.parametrize(("strategy", "way", "again"), [("canary", "canary", 2), ("shadow", "shadow", 1)])
def test_who_came_is_counted_once_and_who_came_again_is_known_however_the_log_is_read(
    strategy: Any, way: str, again: int
) -> None:
    """Of copies the challenger's count: each request has one."""
    rows = [(OLD, "", "a", 1.0), (NEW, way, "a", 2.0), (NEW, way, "b", 3.0), (NEW, way, "b", 4.0)]
    rows += [(NEW, way, "c", 5.0), (NEW, way, "b", 6.0)]
    one = rollout(RolloutPolicy(strategy=strategy))
    for parts in ([rows], [rows[:3], rows[3:]]):
        log = Log()
        answers = Answers(one, log)  # type: ignore[arg-type]
        for part in parts:
            log.tables.append(logged(*part))
            answers.read([], one.stretches)
        assert answers.units.came() == Came(units=3, again=again, later=1)
