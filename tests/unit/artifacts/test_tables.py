"""Tables arrive as their reader's annotation says, whatever library made them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from noria.artifacts.codec import CannotStore
from noria.artifacts.tables import NoColumn, NotOneColumn, as_wanted, column, is_table, row_count, to_arrow

FRAME = pl.DataFrame(
    {
        "id": [1, 2, 3],
        "name": ["a", None, "c"],
        "at": [datetime(2024, 5, day, tzinfo=UTC) for day in (1, 2, 3)],
    }
)
FORMS = {
    "polars": FRAME,
    "lazy": FRAME.lazy(),
    "pandas": FRAME.to_pandas(),
    "arrow": FRAME.to_arrow(),
    "batch": FRAME.to_arrow().to_batches()[0],
}
TYPES = (pl.DataFrame, pl.LazyFrame, pd.DataFrame, pa.Table, pa.RecordBatch)


@pytest.mark.parametrize("wanted", TYPES)
@pytest.mark.parametrize("form", FORMS)
def test_every_form_becomes_every_other_with_the_same_content(form: str, wanted: type) -> None:
    made = as_wanted(FORMS[form], wanted)
    assert isinstance(made, wanted)
    assert to_arrow(made).to_pylist() == FRAME.to_arrow().to_pylist()


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (pl.DataFrame | None, pl.DataFrame),
        (Optional[pd.DataFrame], pd.DataFrame),  # noqa: UP045 - what users write
        (Annotated[pa.Table, "rows"], pa.Table),
        (Annotated[pa.Table, {"not": "hashable"}], pa.Table),
        (None, pl.DataFrame),
        (Any, pl.DataFrame),
        (object, pl.DataFrame),
        (list[pd.DataFrame], pl.DataFrame),
        ("a string that nobody resolved", pl.DataFrame),
    ],
)
def test_annotations_are_read_and_those_that_say_nothing_leave_the_table_alone(
    annotation: Any, kind: type
) -> None:
    assert isinstance(as_wanted(FRAME, annotation), kind)


def test_a_table_that_is_already_right_is_the_very_same() -> None:
    for form in ("polars", "pandas"):
        assert as_wanted(FORMS[form], type(FORMS[form])) is FORMS[form]


@pytest.mark.parametrize("form", FORMS)
def test_knows_tables_and_counts_their_rows(form: str) -> None:
    assert is_table(FORMS[form])
    assert row_count(FORMS[form]) == 3


@pytest.mark.parametrize(
    "value", [None, 1, "x", [1], {"a": 1}, np.zeros(3), pl.Series([1]), pd.Series([1]), pa.array([1])]
)
def test_what_is_no_table(value: Any) -> None:
    assert not is_table(value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("wanted", "kind"),
    [
        (np.ndarray, np.ndarray),
        (npt.NDArray[np.int64], np.ndarray),
        (pl.Series, pl.Series),
        (pd.Series, pd.Series),
        (pa.ChunkedArray, pa.ChunkedArray),
        (pa.Array, pa.Array),
    ],
)
def test_a_column_comes_as_it_is_wanted(form: str, wanted: Any, kind: type) -> None:
    values = column(FORMS[form], "id", wanted)
    assert isinstance(values, kind)
    assert (values.to_pylist() if isinstance(values, pa.Array | pa.ChunkedArray) else list(values)) == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("form", "kind"),
    [("polars", pl.Series), ("lazy", pl.Series), ("pandas", pd.Series), ("arrow", pa.ChunkedArray)],
)
def test_a_column_without_a_wish_is_of_its_tables_own_kind(form: str, kind: type) -> None:
    assert isinstance(column(FORMS[form], "id"), kind)


@pytest.mark.parametrize("form", ["polars", "pandas", "arrow"])
def test_nulls_in_an_array_are_nan(form: str) -> None:
    table = as_wanted(pl.DataFrame({"x": [1.5, None]}), type(FORMS[form]))
    assert np.isnan(column(table, "x", np.ndarray)).tolist() == [False, True]


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(NoColumn, match=r"no column 'late'; it has id, name, at"):
        column(FRAME, "late")


def test_a_table_of_one_column_may_be_an_array_and_one_of_more_may_not() -> None:
    assert as_wanted(FRAME.select("id"), np.ndarray).tolist() == [1, 2, 3]
    with pytest.raises(NotOneColumn, match="a table of 3 columns"):
        as_wanted(FRAME, np.ndarray)


def test_a_pandas_index_without_a_name_is_pandas_own_business() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=[7, 9])
    assert to_arrow(frame).column_names == ["x"]
    assert as_wanted(frame, pl.DataFrame).columns == ["x"]


def test_a_pandas_index_with_a_name_is_a_column_to_everyone() -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index([7, 9], name="key"))
    assert as_wanted(frame, pl.DataFrame).to_dict(as_series=False) == {"key": [7, 9], "x": [1, 2]}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (pd.DataFrame({1: [1]}), "column names must be strings"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns have this name"),
        (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "several levels"),
        (pd.DataFrame({"ok": [1, 2], "mixed": [1, "x"]}), r"\(at mixed\)"),
        (pd.DataFrame({"p": pd.period_range("2020", periods=1)}), "only pandas can read it"),
        (pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}), r"column of Object \(at o\)"),
        (pl.DataFrame({"ok": [1], "wide": pl.Series([1], dtype=pl.Int128)}), r"column of Int128 \(at wide\)"),
    ],
)
def test_what_arrow_cannot_hold_is_refused_by_column_and_reason(value: Any, says: str) -> None:
    with pytest.raises(CannotStore, match=says):
        to_arrow(value)
