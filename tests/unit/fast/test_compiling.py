"""Every kind of model, compiled and opened, answers the rows that it was trained on as the original does."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from noria.fast.compiled import Compiled, Uncompiled, read_compiled
from noria.fast.compiling import compile_model
from noria.fast.direct import open_direct
from noria.fast.errors import CannotAnswer, WrongWidth
from noria.fast.opened import open_model
from noria.fast.standing import columns_of
from noria.records.fast import Plan
from noria.serving.by_model import few_by
from unit.fast.zoo import BOOSTERS, LINEAR, TREES, Fit, encoded, frame, numbers

CLOSE = 1e-12


def compiled_of(fit: Fit) -> tuple[Compiled, object, object]:
    model, rows = fit()
    compiled = compile_model(model)
    assert isinstance(compiled, Compiled), compiled
    return read_compiled(compiled.to_bytes()), model, rows


def listed(rows: object) -> list[tuple[object, ...]]:
    return [tuple(row) for row in (rows.tolist() if isinstance(rows, np.ndarray) else rows.rows())]


@pytest.mark.parametrize("name", [*TREES, *BOOSTERS])
def test_trees_answer_bit_for_bit(name: str) -> None:
    compiled, model, rows = compiled_of((TREES | BOOSTERS)[name])
    if hasattr(model, "n_jobs") and "jobs" in name:
        model.n_jobs = 1  # with more, the original's sums come in the order in which its threads end
    fast = open_model(compiled)
    for method in compiled.methods:
        wanted = getattr(model, method)(rows)
        got = fast.method(method).many(columns_of(compiled, rows))
        assert got.dtype == wanted.dtype and np.array_equal(got, wanted)
        one = fast.method(method).one
        assert [one(row) for row in listed(rows)] == as_answers(wanted)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_models_answer_within_their_tolerance(name: str) -> None:
    compiled, model, rows = compiled_of(LINEAR[name])
    fast = open_model(compiled)
    gaps = [row for row in listed(rows) if None in row]
    assert gaps or name != "logistic, spread"
    for method in compiled.methods:
        wanted = getattr(model, method)(rows)
        got = fast.method(method).many(columns_of(compiled, rows))
        one = [fast.method(method).one(row) for row in listed(rows)]
        if wanted.dtype.kind == "f":
            np.testing.assert_allclose(got, wanted, rtol=CLOSE, atol=CLOSE)
            np.testing.assert_allclose(np.array(one), wanted, rtol=CLOSE, atol=CLOSE)
        else:
            assert got.tolist() == one == wanted.tolist()


def as_answers(wanted: np.ndarray) -> list[object]:
    return [tuple(row) if isinstance(row, list) else row for row in wanted.tolist()]


def test_a_column_of_the_answer_alone() -> None:
    compiled, model, rows = compiled_of(TREES["histogram"])
    method = open_model(compiled).method("predict_proba", 1)
    wanted = model.predict_proba(rows)[:, 1]
    assert np.array_equal(method.many(rows), wanted)
    assert [method.one(row) for row in rows.tolist()] == wanted.tolist()


def test_the_same_model_gives_the_same_bytes() -> None:
    first, second = TREES["histogram, codes"](), TREES["histogram, codes"]()
    one, other = compile_model(first[0]), compile_model(second[0])
    assert isinstance(one, Compiled) and isinstance(other, Compiled)
    assert one.to_bytes() == other.to_bytes()


def test_what_has_no_form_says_which_part() -> None:
    rows, label = numbers()
    mixed = compile_model(make_pipeline(PCA(2), LogisticRegression()).fit(rows, label))
    assert mixed == Uncompiled(reason="its PCA has no fast form")
    near = compile_model(KNeighborsClassifier().fit(rows, label))
    assert near == Uncompiled(reason="KNeighborsClassifier has no fast form")
    unfitted = compile_model(LogisticRegression())
    assert isinstance(unfitted, Uncompiled) and "not fitted" in unfitted.reason
    texts = compile_model(
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["fog", "rain"] * 3, [0, 1] * 3)
    )
    assert isinstance(texts, Uncompiled) and texts.reason.startswith(
        "TfidfVectorizer is not fitted, or does not say"
    )
    assert isinstance(compile_model({"a": 1}), Uncompiled)


def test_rows_that_the_original_refuses_are_refused() -> None:
    compiled, model, _ = compiled_of(LINEAR["logistic"])
    one = open_model(compiled).method("predict").one
    for value in (math.nan, math.inf, None):
        with pytest.raises(CannotAnswer):
            one((1.0, value, 0.0, 0.0, 0.0, 0.0))
        with pytest.raises(ValueError):
            model.predict(np.array([[1.0, value, 0.0, 0.0, 0.0, 0.0]], float))


def test_a_refusal_says_row_and_column_as_the_request_has_them() -> None:
    """Six inputs of the model are columns c5 .. c0 of the request, beside one that it does not read."""
    compiled, _, _ = compiled_of(LINEAR["logistic"])
    columns = [f"c{at}" for at in range(6)]
    plan = Plan(table="rows", estimator="m", method="predict", columns=tuple(reversed(columns)), column=None)
    direct = open_direct(plan, open_model(compiled), ["other", *columns])
    good = ("x", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    rows = [good, (*good[:2], None, *good[3:]), good]
    for answer in (
        few_by(direct.one, single=True),
        direct.rows,
        lambda rows: direct.many(list(zip(*rows, strict=True))),
    ):
        with pytest.raises(
            CannotAnswer, match="row 1, column c1 is missing, and the model takes no missing value"
        ) as caught:
            answer(rows)
        assert caught.value.status == 422


def test_a_refusal_behind_an_encoder_names_the_encoders_input() -> None:
    rows, label = frame()
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["origin"]), remainder="passthrough"), LogisticRegression()
    ).fit(rows.select("origin", "distance"), label)
    compiled = compile_model(model)
    assert isinstance(compiled, Compiled)
    with pytest.raises(CannotAnswer, match="distance is missing"):
        open_model(compiled).method("predict").one([rows["origin"][0], None])


@pytest.mark.parametrize("name", ["histogram", "forest", "logistic", "xgboost", "histogram, encoded"])
def test_a_wrong_number_or_kind_of_values_is_told(name: str) -> None:
    compiled, _, rows = compiled_of((TREES | LINEAR | BOOSTERS)[name])
    row = list(listed(rows)[0])
    one = open_model(compiled).method("predict").one
    for wrong in (row[:-1], [*row, 1.0]):
        with pytest.raises(WrongWidth):
            one(wrong)
    for value in ("1.5", [1.0], {}):
        with pytest.raises(CannotAnswer, match="takes a number"):
            one([*row[:-1], value])


def test_none_is_a_missing_number() -> None:
    compiled, model, rows = compiled_of(TREES["histogram, gaps"])
    one = open_model(compiled).method("predict_proba").one
    row = rows[0].tolist()
    row[2] = math.nan
    wanted = tuple(model.predict_proba([row])[0].tolist())
    assert one(row) == wanted == one([None if value != value else value for value in row])


def test_unknown_levels_go_where_the_encoder_sends_them() -> None:
    compiled, model, _ = compiled_of(TREES["histogram, encoded"])
    rows, _ = frame()
    odd = rows.head(3).with_columns(carrier=np.array(["ZZ", "", "ÄÖ"]))
    wanted = model.predict_proba(odd)
    one = open_model(compiled).method("predict_proba").one
    assert [one(row) for row in odd.rows()] == as_answers(wanted)


def test_an_encoder_that_refuses_unknown_levels_still_does() -> None:
    from sklearn.preprocessing import OrdinalEncoder

    rows, label = frame()
    model = make_pipeline(OrdinalEncoder(), LogisticRegression()).fit(rows.select("origin"), label)
    compiled = compile_model(model)
    assert isinstance(compiled, Compiled)
    with pytest.raises(CannotAnswer, match="refuse"):
        open_model(compiled).method("predict").one(["LGA"])


def test_a_document_of_another_format_is_not_read() -> None:
    compiled, _, _ = compiled_of(LINEAR["linear"])
    with pytest.raises(ValueError, match="format 7"):
        read_compiled(compiled.to_bytes().replace(b'"format":1', b'"format":7'))


def test_answering_imports_no_library_of_models_or_frames(tmp_path: object) -> None:
    for number, fit in enumerate((TREES["histogram, encoded"], BOOSTERS["xgboost"], LINEAR["logistic"])):
        compiled, _, rows = compiled_of(fit)
        path = tmp_path / f"{number}.json"  # type: ignore[operator]
        path.write_bytes(compiled.to_bytes())
        code = f"""
import sys
from pathlib import Path
from noria.fast.opened import open_model, read_compiled
nan = float("nan")
fast = open_model(read_compiled(Path({str(path)!r}).read_bytes()))
fast.method("predict").one({listed(rows)[0]!r})
heavy = ["sklearn", "skops", "scipy", "polars", "pyarrow", "pandas", "lightgbm", "xgboost", "noria.fast.compiling"]
print([name for name in (*heavy, "numpy") if name in sys.modules])
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == ("['numpy']" if number == 1 else "[]")  # XGBoost's sums are of 32 bits


def test_scaling_by_one_more_column_is_no_model_of_texts() -> None:
    rows, label = frame()
    model = encoded(LogisticRegression(), scale=True).fit(rows.drop_nulls(), label[: len(rows.drop_nulls())])
    compiled = compile_model(model)
    assert isinstance(compiled, Compiled) and compiled.picks
