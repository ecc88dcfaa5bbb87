"""Rows changed by an expectation stand beside the same rows as they are, or the expectation is at fault."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import noria
from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts
from noria.declare import resolve
from noria.graph.alter import BadExpectation, alter
from noria.records.tasks import Alter, Altered

ROWS = pl.DataFrame({"id": [1, 2, 3], "wind": [5.0, 6.0, None], "late": [0, 1, 1]})


def altered(folder: Path, change: Callable[[pl.DataFrame], object]) -> tuple[Altered, Artifacts]:
    made = noria.Pipeline("delay")

    @made.data(key="id", label="late")
    def flights() -> pl.DataFrame: ...

    @made.predict
    def late(flights: pl.DataFrame) -> pl.Series: ...

    @made.expect("invariant")
    def asked(flights: pl.DataFrame) -> object:
        return change(flights)

    artifacts = Artifacts(FolderStore(folder, durable=False))
    task = Alter(pipeline="pipeline:delay", expectation="asked", rows=artifacts.save(ROWS))
    return alter(task, resolve(made), artifacts), artifacts


def test_label_is_hidden_and_rows_that_differ_are_counted(tmp_path: Path) -> None:
    done, artifacts = altered(tmp_path, lambda rows: rows.with_columns(wind=pl.lit(6.0)))
    before, after = artifacts.table(done.before), artifacts.table(done.after)
    assert before.column_names == after.column_names == ["id", "wind"]
    assert after["wind"].to_pylist() == [6.0, 6.0, 6.0]
    assert done.changed == 2


def test_some_of_the_rows_are_matched_by_their_key(tmp_path: Path) -> None:
    done, artifacts = altered(tmp_path, lambda rows: rows.filter(pl.col("id") > 1).reverse())
    assert artifacts.table(done.before)["id"].to_pylist() == [3, 2]
    assert artifacts.table(done.after)["id"].to_pylist() == [3, 2]
    assert done.changed == 0


def test_sorted_rows_stand_beside_themselves(tmp_path: Path) -> None:
    done, artifacts = altered(
        tmp_path, lambda rows: rows.with_columns(wind=pl.col("wind") + 1).sort("wind", descending=True)
    )
    before, after = artifacts.table(done.before), artifacts.table(done.after)
    assert before["id"].to_pylist() == after["id"].to_pylist() != [1, 2, 3]
    assert [value and value + 1 for value in before["wind"].to_pylist()] == after["wind"].to_pylist()
    assert done.changed == 2  # a null plus one is a null


def test_rows_whose_keys_were_changed_are_matched_by_position(tmp_path: Path) -> None:
    done, artifacts = altered(tmp_path, lambda rows: rows.with_columns(id=pl.col("id") + 1))
    assert artifacts.table(done.before)["id"].to_pylist() == [1, 2, 3]
    assert artifacts.table(done.after)["id"].to_pylist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: 3, "int, which is no table"),
        (lambda rows: rows.drop("wind"), "no 'wind'"),
        (lambda rows: rows.with_columns(wind=pl.lit("strong")), "values of other types"),
        (lambda rows: rows.head(1).with_columns(id=pl.lit(9)), "whose key it was not given"),
    ],
)
def test_what_are_no_rows_of_the_request_is_refused(
    tmp_path: Path, change: Callable[[pl.DataFrame], object], told: str
) -> None:
    with pytest.raises(BadExpectation, match=told):
        altered(tmp_path, change)
