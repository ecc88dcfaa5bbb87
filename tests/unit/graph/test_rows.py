"""What transforms see, what other steps see beside it."""

import polars as pl
import pytest

from noria.declare import DataSpec
from noria.graph.errors import MissingColumns
from noria.graph.rows import beside, require, visible

SPEC = DataSpec(key=("id",), time="at", known="seen", label="late", outcomes=("delay",))
ROWS = pl.DataFrame(
    {"id": [1, 2], "at": [10, 20], "x": [0.1, 0.2], "late": [0, 1], "delay": [3, 9], "seen": [11, 21]}
)


def test_nobody_sees_the_future() -> None:
    assert visible(ROWS.to_arrow(), SPEC).column_names == ["id", "at", "x"]


def test_key_time_label_and_outcomes_come_beside_a_transform_by_position() -> None:
    made = pl.DataFrame({"double": [0.2, 0.4]}).to_arrow()
    table = pl.DataFrame(beside(made, ROWS.to_arrow(), SPEC))
    assert table.columns == ["double", "id", "at", "late", "delay"]
    assert table["late"].to_list() == [0, 1]


def test_a_column_that_the_transform_made_stays_its_own_unless_it_is_hidden() -> None:
    made = pl.DataFrame({"at": [1, 2], "late": [7, 7]}).to_arrow()
    table = pl.DataFrame(beside(made, ROWS.to_arrow(), SPEC))
    assert table["at"].to_list() == [1, 2]
    assert table["late"].to_list() == [0, 1]


def test_a_missing_column_is_named_with_what_is_there() -> None:
    with pytest.raises(MissingColumns) as caught:
        require(ROWS.to_arrow(), ("id", "nope"), where="days", why="is its key")
    assert "nope" in str(caught.value) and "late" in str(caught.value)
