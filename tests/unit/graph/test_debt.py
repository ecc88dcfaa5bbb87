"""Label debt: by id or by key, by age, and owed only once labels have had their time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from noria.graph.debt import label_debt
from noria.ports.serving import Piece
from noria.records.monitoring import NewFeedback

NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def piece(*rows: tuple[str, str | None, timedelta], version: int = 1, way: str | None = "") -> Piece:
    """Rows of (id, key, age); without a way, of a log of old."""
    table = pa.table(
        {
            "id": [id for id, _, _ in rows],
            "key": pa.array([key for _, key, _ in rows], pa.string()),
            "time": pa.array([NOW - age for _, _, age in rows], pa.timestamp("us", tz="UTC")),
            "version": [version] * len(rows),
            **({} if way is None else {"way": [way] * len(rows)}),
        }
    )

    def tables(columns: Sequence[str] | None) -> Iterator[pa.Table]:
        yield table.select([name for name in columns or table.column_names if name in table.column_names])

    return Piece("s", version, None, tables)


def label(by: Any, ref: str) -> NewFeedback:
    return NewFeedback(by=by, ref=ref, label=1, known=NOW)


def counted(
    *pieces: Piece, labels: Sequence[NewFeedback] = (), days: int | None = 2
) -> list[tuple[int, ...]]:
    found = label_debt(
        pieces,
        labels,
        version=1,
        now=NOW,
        block=DAY,
        maturity=None if days is None else timedelta(days=days),
    )
    assert [group.upto for group in found] == [3600, 86_400, 7 * 86_400, 30 * 86_400, None]
    return [(group.labelled, group.waiting, group.owed) for group in found]


def test_copies_and_what_a_challenger_answered_owe_no_labels() -> None:
    ways = ("", "instead", "shadow", "canary", "asked", None)
    assert counted(*(piece((f"i{n}", None, 3 * DAY), way=way) for n, way in enumerate(ways)))[2] == (0, 0, 3)


def test_every_prediction_is_in_one_group_by_its_age() -> None:
    rows = piece(
        *((f"i{n}", None, age) for n, age in enumerate((0 * DAY, DAY / 2, 2 * DAY, 8 * DAY, 31 * DAY)))
    )
    assert counted(rows, days=None) == [(0, 1, 0)] * 5
    assert counted() == [(0, 0, 0)] * 5


def test_a_label_is_owed_once_the_whole_block_has_had_its_time() -> None:
    """Noon, and two days for labels: the block of the 12th ended 2.5 days ago, that of the 13th 1.5."""
    assert counted(piece(("a", None, 2.6 * DAY), ("b", None, 2.4 * DAY)))[2] == (0, 1, 1)
    assert counted(piece(("a", None, 40 * DAY)))[4] == (0, 0, 1)


def test_labels_come_by_id_or_by_key() -> None:
    rows = piece(("a", "k1", DAY / 2), ("b", "k2", DAY / 2), ("c", None, DAY / 2), ("d", "a", DAY / 2))
    labels = [label("id", "a"), label("key", "k2"), label("key", "c"), label("id", "k1")]
    assert counted(rows, labels=labels)[1] == (2, 2, 0)


def test_other_versions_are_not_counted() -> None:
    assert counted(piece(("a", None, DAY / 2), version=2), piece(("b", None, DAY / 2)))[1] == (0, 1, 0)
