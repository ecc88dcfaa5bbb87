"""`@pipeline.expect`: what may be said, and what it must read."""

import polars as pl
import pytest

import noria
from noria.declare import ExpectSpec, resolve
from noria.declare.errors import BadOption, DuplicateName, MissingAnnotation, WrongRole


def pipeline(name: str = "delay") -> noria.Pipeline:
    made = noria.Pipeline(name)

    @made.data(key="id", label="late")
    def flights() -> pl.DataFrame: ...

    @made.predict
    def late(flights: pl.DataFrame) -> pl.Series: ...

    return made


def test_it_is_noted_and_makes_no_step() -> None:
    made = pipeline()

    @made.expect("not lower", within=0.1, share=0.9, answer="answer")
    def windier(flights: pl.DataFrame) -> pl.DataFrame:
        return flights

    resolved = resolve(made)
    assert resolved.expectations["windier"].spec == ExpectSpec("not lower", 0.1, 0.9, "answer")
    assert [step.name for step in resolved.order] == ["flights"]
    assert windier(pl.DataFrame({"a": [1]})).height == 1  # still a plain function


def test_it_may_stand_in_a_part() -> None:
    made, part = pipeline(), noria.Part()

    @part.expect("invariant")
    def same(flights: pl.DataFrame) -> pl.DataFrame: ...

    made.include(part)
    assert list(resolve(made).expectations) == ["same"]
    with pytest.raises(DuplicateName):
        made.include(part)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"holds": "higher"}, "holds"),
        ({"holds": "invariant", "within": -1}, "within"),
        ({"holds": "invariant", "within": float("nan")}, "within"),
        ({"holds": "invariant", "share": 0}, "share"),
        ({"holds": "invariant", "share": True}, "share"),
        ({"holds": "invariant", "answer": 3}, "answer"),
    ],
)
def test_options_that_say_nothing_are_refused(options: dict, named: str) -> None:
    with pytest.raises(BadOption, match=named):
        pipeline().expect(**options)(lambda flights: flights)


def test_it_reads_the_rows_of_a_request_and_says_as_what() -> None:
    made = pipeline()

    @made.expect("invariant")
    def other(features: pl.DataFrame) -> pl.DataFrame: ...

    with pytest.raises(WrongRole, match="not the rows as callers send them"):
        resolve(made)
    made = pipeline()

    @made.expect("invariant")
    def bare(flights): ...

    with pytest.raises(MissingAnnotation):
        resolve(made)
