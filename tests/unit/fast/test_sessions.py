"""ONNX models: compiled answers are those of predict's own session, and what the gate and the look into predict find."""

# mypy: ignore-errors
from __future__ import annotations

import warnings
from collections.abc import Callable

import msgspec
import numpy as np
import onnxruntime
import polars as pl
import pytest
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier

from noria.fast.compiled import Compiled, Tensor, Uncompiled, read_compiled
from noria.fast.direct import open_direct
from noria.fast.discovery import Direction, Predicting, discover_session
from noria.fast.opened import open_model
from noria.fast.session_parity import check_session
from noria.fast.sessions import open_session
from unit.artifacts.onnx_models import doubling

NAMES = ["a", "b", "c", "n"]


def table(rows: int = 200) -> pl.DataFrame:
    random = np.random.default_rng(3)
    floats = {name: random.normal(size=rows) for name in ("a", "b", "c")}
    return pl.DataFrame({"id": range(rows), **floats, "n": random.integers(0, 5000, rows)})


def late(rows: pl.DataFrame) -> np.ndarray:
    return ((rows["a"] + rows["b"] ** 2 + rows["n"] / 5000) > 1).to_numpy().astype(int)


def fitted(model: object) -> bytes:
    rows = table()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a small net need not converge
        model.fit(rows.select(NAMES).to_numpy(), late(rows))
    first = rows.select(NAMES)[:1].to_numpy().astype(np.float32)
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    return to_onnx(model, first, options=options).SerializeToString()


def by_columns() -> bytes:
    """One tensor a column, as skl2onnx converts a model that learned on a frame."""
    rows = table()
    model = LogisticRegression().fit(rows.select(NAMES).to_numpy(), late(rows))
    from skl2onnx import convert_sklearn
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    chosen = ColumnTransformer([("keep", "passthrough", list(range(4)))]).fit(rows.select(NAMES).to_numpy())
    pipeline = Pipeline([("columns", chosen), ("model", model)])
    types = [(name, FloatTensorType([None, 1])) for name in NAMES]
    return convert_sklearn(pipeline, initial_types=types, options={"zipmap": False}).SerializeToString()


def chance(model, rows: pl.DataFrame) -> np.ndarray:
    """The probability of being late."""
    matrix = rows.select(NAMES).to_numpy().astype(np.float32)
    return model.run(["probabilities"], {"X": matrix})[0][:, 1]


def found(model: bytes, predict: Callable = chance, rows: pl.DataFrame | None = None) -> Direction | str:
    predicting = Predicting(
        function=predict,
        table="rows",
        frozen={"model": open_session(model)},
        parameters={},
        as_wanted=lambda frame: frame,
    )
    made = discover_session(predicting, "model", model, table() if rows is None else rows)
    return made.reason if isinstance(made, Uncompiled) else made


def columns_of(direction: Direction) -> list[np.ndarray]:
    return [table()[name].cast(float).to_numpy() for name in direction.plan.columns]


MODELS = {
    "histogram boosting": HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=5),
    "boosting": GradientBoostingClassifier(n_estimators=12),
    "logistic regression": LogisticRegression(),
    "small net": MLPClassifier((16, 8), max_iter=60, random_state=0),
}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_row_alone_is_answered_bit_for_bit_as_by_the_session(name: str) -> None:
    model = fitted(MODELS[name])
    direction = found(model)
    assert isinstance(direction, Direction), direction
    assert (direction.plan.columns, direction.plan.method, direction.plan.column) == (tuple(NAMES), "run", 1)
    session, compiled = open_session(model), read_compiled(direction.compiled.to_bytes())
    parity = check_session(compiled, session, columns_of(direction))
    assert (parity.equal, parity.difference) == (True, "")
    assert parity.rows > 400
    assert parity.tolerance == (0.0 if "boosting" in name else parity.tolerance) <= 1e-6
    direct = open_direct(direction.plan, open_model(compiled), table().columns)
    for at, row in enumerate(table().rows()):
        assert direct.one(row) == chance(session, table()[at : at + 1])[0].item()
    many = direct.many([column.to_numpy() for column in table().get_columns()])
    assert many.dtype == np.float32
    assert many.tobytes() == chance(session, table()).tobytes()


def test_what_is_missing_huge_or_infinite_goes_to_the_session_as_numpy_has_it() -> None:
    direction = found(fitted(HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=5)))
    one = open_model(direction.compiled).method("run", 1).one
    session = open_session(direction.compiled.model.model)
    for value in (None, float("nan"), float("inf"), -float("inf"), 1e300, -1e300, 3.5e38, -0.0, 5e-324, True):
        row = [0.5, -0.25, float("nan") if value is None else value, 7]
        with np.errstate(over="ignore"):
            matrix = np.array([row], np.float64).astype(np.float32)
        assert one((0.5, -0.25, value, 7)) == session.run(None, {"X": matrix})[1][0, 1].item()


def test_one_tensor_a_column() -> None:
    def chance(model, rows: pl.DataFrame) -> np.ndarray:
        feeds = {name: rows[name].to_numpy().reshape(-1, 1).astype(np.float32) for name in NAMES}
        return model.run(["probabilities"], feeds)[0][:, 0]

    model = by_columns()
    direction = found(model, chance)
    assert isinstance(direction, Direction), direction
    assert direction.compiled.model.once == (3,)
    assert direction.compiled.model.inputs == tuple(Tensor(name=name, columns=1) for name in NAMES)
    assert direction.plan.column == 0
    assert check_session(direction.compiled, open_session(model), columns_of(direction)).equal


def test_a_number_a_row_and_a_class_a_row() -> None:
    def number(model, rows: pl.DataFrame) -> np.ndarray:
        name = model.get_inputs()[0].name
        return model.run(None, {name: rows.select(NAMES).cast(pl.Float32).to_numpy()})[0].ravel()

    def label(model, rows: pl.DataFrame) -> np.ndarray:
        return model.run(["label"], {"X": rows.select(NAMES).to_numpy().astype("float32")})[0]

    regression = found(fitted(LinearRegression()), number)
    assert (regression.plan.column, regression.compiled.methods) == (0, {"run": 1})
    value = open_direct(regression.plan, open_model(regression.compiled), NAMES).one((0.5, 0.5, 0.5, 3))
    assert isinstance(value, float)
    classes = found(fitted(LogisticRegression()), label)
    assert (classes.plan.column, classes.compiled.methods) == (None, {"run": 0})
    one = open_direct(classes.plan, open_model(classes.compiled), NAMES).one
    assert {one(row) for row in table().select(NAMES).rows()} == {0, 1}
    assert check_session(
        classes.compiled, open_session(classes.compiled.model.model), columns_of(classes)
    ).equal


def doubled(model, rows: pl.DataFrame) -> np.ndarray:
    return model.run(["probabilities"], {"X": rows.select(NAMES).to_numpy().astype(np.float32) * 2})[0][:, 1]


def halved(model, rows: pl.DataFrame) -> np.ndarray:
    return model.run(["probabilities"], {"X": rows.select(NAMES).to_numpy().astype(np.float16)})[0][:, 1]


def with_options(model, rows: pl.DataFrame) -> np.ndarray:
    matrix = rows.select(NAMES).to_numpy().astype(np.float32)
    return model.run(["probabilities"], {"X": matrix}, None)[0][:, 1]


def twice(model, rows: pl.DataFrame) -> np.ndarray:
    first = model.run(["probabilities"], {"X": rows.select(NAMES).to_numpy().astype(np.float32)})  # noqa: F841
    return model.run(["probabilities"], {"X": rows.select(NAMES).to_numpy().astype(np.float32)})[0][:, 1]


def conditional(model, rows: pl.DataFrame) -> np.ndarray:
    feeds = {name: rows.select(NAMES).to_numpy().astype(np.float32) for name in ("X", "Y") if name != "Y"}
    return model.run(["probabilities"], feeds)[0][:, 1]


@pytest.mark.parametrize(
    ("predict", "why"),
    [
        (doubled, "predict is no single call: it has a Mult in line"),
        (halved, "for float16"),
        (with_options, "calls run with more than names of outputs and a dict of inputs"),
        (twice, "it asks its estimator 2 times in its source"),
        (conditional, "leaves columns out by a condition"),
    ],
)
def test_what_predict_does_beside_its_call_is_named(predict: Callable, why: str) -> None:
    assert why in found(fitted(LogisticRegression()), predict)


LARGE = 2**60 + 2**36 + 1  # half-way between two 32-bit floats and one more, which a double has no place for


def at_once(model, rows: pl.DataFrame) -> np.ndarray:
    return model.run(None, {"x": rows.select("id", "n").to_numpy().astype(np.float32)})[0]


def by_polars(model, rows: pl.DataFrame) -> np.ndarray:
    return model.run(None, {"x": rows.select("id", "n").cast(pl.Float32).to_numpy()})[0]


def as_doubles(model, rows: pl.DataFrame) -> np.ndarray:
    return model.run(None, {"x": rows.select("id", "n").cast(pl.Float64).to_numpy().astype(np.float32)})[0]


@pytest.mark.parametrize(
    ("predict", "once"),
    [(at_once, (0, 1)), (by_polars, (0, 1)), (as_doubles, ())],
    ids=["at once", "by polars", "as doubles"],
)
def test_large_whole_numbers_are_rounded_as_often_as_predict_does(predict: Callable, once: tuple) -> None:
    model = doubling().SerializeToString()
    direction = found(model, predict)
    assert direction.compiled.model.once == once
    rows = pl.DataFrame({"id": [LARGE, -LARGE, 3], "n": [2**53 + 1, 5, LARGE - 1]})
    direct = open_direct(direction.plan, open_model(direction.compiled), rows.columns)
    wanted = predict(open_session(model), rows)
    assert [list(direct.one(row)) for row in rows.rows()] == wanted.tolist()
    columns = rows.get_columns()
    for given in ([one.to_numpy() for one in columns], [one.to_list() for one in columns]):
        assert direct.many(given).tolist() == wanted.tolist()


def other(direction: Direction, **change: object) -> Compiled:
    model = msgspec.structs.replace(direction.compiled.model, **change)
    return msgspec.structs.replace(direction.compiled, model=model)


def test_the_gate_finds_another_model_and_swapped_columns() -> None:
    model = fitted(HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=5))
    direction, session = found(model), open_session(model)
    slightly = fitted(HistGradientBoostingClassifier(max_iter=12, min_samples_leaf=5, l2_regularization=1e-3))
    parity = check_session(other(direction, model=slightly), session, columns_of(direction))
    assert not parity.equal
    assert "run of row 0 (input 0 = " in parity.difference and "the original says" in parity.difference


def test_the_gate_refuses_a_model_whose_answer_depends_on_the_other_rows() -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["X", "rows"], ["mean"], keepdims=1),
            helper.make_node("Sub", ["X", "mean"], ["probabilities"]),
        ],
        "centred",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor("rows", TensorProto.INT64, [1], [0])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    direction = found(made.SerializeToString())
    parity = check_session(
        direction.compiled, open_session(direction.compiled.model.model), columns_of(direction)
    )
    assert not parity.equal
    assert "asked alone" in parity.difference and "when it is asked with others" in parity.difference


def test_sessions_of_readers_and_of_the_fast_path_are_set_alike(tmp_path, monkeypatch) -> None:
    """Else a row could be rounded otherwise by one than by the other."""
    from noria.adapters.folder import FolderStore
    from noria.artifacts import Artifacts

    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    artifacts = Artifacts(FolderStore(tmp_path, durable=False))
    artifact = artifacts.save(doubling())
    read = artifacts.load(artifact, onnxruntime.InferenceSession)
    ours = open_session(artifacts.store.get(artifact.digest))
    spinning = "session.intra_op.allow_spinning"
    for session in (read, ours):
        options = session.get_session_options()
        assert (options.intra_op_num_threads, options.get_session_config_entry(spinning)) == (2, "0")
        assert session.get_providers() == ["CPUExecutionProvider"]
