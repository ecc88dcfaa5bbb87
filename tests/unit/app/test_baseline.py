"""What a version's monitors are begun with: which columns no test is made for is said."""

from datetime import date

import polars as pl

from noria.app.baseline import unfit
from noria.monitor.columns import kinds_of


def test_columns_that_no_test_is_made_for_are_named_with_the_reason() -> None:
    rows = pl.DataFrame(
        {
            "customer": [f"c{i}" for i in range(1000)],
            "shop": ["north", "south"] * 500,
            "born": [date(1990, 1, 1)] * 1000,
            "paid": [1.0] * 1000,
        }
    )
    kinds = kinds_of(rows, rows.columns, ())
    assert kinds == {"shop": "category", "paid": "number"}
    assert unfit(rows, [*rows.columns, "gone"], kinds) == [
        "customer is not watched: 1,000 different texts in 1,000 rows name rows, and no categories",
        "born is not watched: Date is neither a number nor a category",
    ]
