"""What rows for training and rows for judging have in common."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from noria.profiles import later_than, shared_keys

START = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = ("train", "holdout")


def table(keys: range, **more: Any) -> pa.Table:
    moments = [START + timedelta(days=key) for key in keys]
    return pl.DataFrame({"id": list(keys), "at": moments, **more}).to_arrow()


@pytest.mark.parametrize(
    ("train", "held", "limit", "words"),
    [
        (range(80), range(80, 100), 0.0, None),
        (
            range(81),
            range(80, 100),
            0.0,
            "1 of the 20 rows of holdout are among those of train, which it is trained on, such as: 80",
        ),
        (range(100), range(80, 100), 0.5, "20 of the 20 rows"),
        (range(90), range(80, 100), 0.5, None),
        (range(0), range(5), 0.0, None),
        (range(5), range(0), 0.0, None),
    ],
    ids=["apart", "one", "all", "within the limit", "no training", "no holdout"],
)
def test_rows_by_their_key(train: range, held: range, limit: float, words: str | None) -> None:
    found = [one.what for one in shared_keys(table(train), table(held), ["id"], limit, names=NAMES)]
    assert (found == []) if words is None else (words in found[0])


def test_a_key_that_got_another_type_is_still_the_key() -> None:
    train = pl.DataFrame(table(range(3))).with_columns(pl.col("id").cast(pl.String)).to_arrow()
    (found,) = shared_keys(train, table(range(2, 5)), ["id"], 0.0, names=NAMES)
    assert "1 of the 3 rows" in found.what


def test_a_key_of_several_columns_of_any_kind() -> None:
    train = table(range(4), shop=pl.Series(["a", "b", "a", None], dtype=pl.Categorical))
    held = table(range(2, 6), shop=pl.Series(["b", None, "a", "a"], dtype=pl.Categorical))
    (found,) = shared_keys(train, held, ["id", "shop"], 0.0, names=NAMES)
    assert "1 of the 4 rows" in found.what and found.what.endswith("3 None")


@pytest.mark.parametrize(
    ("train", "held", "words"),
    [
        (range(80), range(80, 100), None),
        (range(85), range(80, 100), "5 of the 85 rows of train are no earlier than the first of holdout"),
        (range(80, 100), range(80), "20 of the 20 rows"),
        (range(5), range(0), None),
    ],
    ids=["before", "some after", "all after", "no holdout"],
)
def test_rows_by_their_time(train: range, held: range, words: str | None) -> None:
    found = list(later_than(table(train), table(held), "at", "warn", names=NAMES))
    if words is None:
        assert not found
    else:
        assert words in found[0].what and found[0].severity == "warn" and found[0].column == "at"
    without = table(train).drop_columns(["at"])
    assert not list(later_than(without, table(held), "at", "warn", names=NAMES))
