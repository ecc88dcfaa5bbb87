"""The fast path of a version whose predict asks a session on an ONNX model, or why there is none."""

# mypy: ignore-errors
from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
from msgspec.structs import replace
from onnx import TensorProto, helper

import noria
from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts
from noria.declare import resolve
from noria.fast.direct import open_direct
from noria.fast.opened import open_model, read_compiled
from noria.fast.standing import stand_in
from noria.graph.open import open_graph
from noria.graph.quicken import quicken
from noria.graph.rowwise import row_function
from noria.records.fast import FastPath
from noria.records.tasks import Quicken
from noria.records.versions import ServingGraph


def weighing() -> onnx.ModelProto:
    """`y = x @ w`, for two columns."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "weighing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor("w", TensorProto.FLOAT, [2, 1], [0.3, -1.7])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def trips() -> pl.DataFrame:
    random = np.random.default_rng(1)
    at = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=37 * one) for one in range(80)]
    km = [None if value > 1.3 else float(value) for value in random.normal(size=80)]
    return pl.DataFrame({"id": range(80), "at": at, "km": km, "minutes": random.normal(size=80)})


def by_session(model: onnxruntime.InferenceSession, features: pl.DataFrame) -> np.ndarray:
    matrix = features.select("hour", "km").to_numpy().astype(np.float32)
    return model.run(None, {"x": matrix})[0].reshape(-1)


def by_model(model: onnx.ModelProto, features: pl.DataFrame) -> np.ndarray:
    return by_session(onnxruntime.InferenceSession(model.SerializeToString()), features)


def squared(model: onnxruntime.InferenceSession, features: pl.DataFrame) -> np.ndarray:
    return by_session(model, features) ** 2


def quickened(folder: Path, predict: Callable, row: bool = True, codec: str = "") -> tuple:
    p = noria.Pipeline("p")

    def trips_of(as_of): ...

    def features(trips_of: pl.DataFrame) -> pl.DataFrame:
        return trips_of.select("km", hour=pl.col("at").dt.hour())

    def features_of_one(trips_of: dict) -> dict:
        return {"km": trips_of["km"], "hour": trips_of["at"].hour}

    def model(features: pl.DataFrame): ...

    p.data(key="id", label="minutes")(trips_of)
    p.transform(features)
    p.step(model)
    if row:
        p.row(features)(features_of_one)
    p.predict(predict)
    resolved, artifacts = resolve(p), Artifacts(FolderStore(folder, durable=False))
    frozen = artifacts.save(weighing())
    record = ServingGraph(
        pipeline="m:p",
        data="trips_of",
        transforms=("features",),
        predict=predict.__name__,
        frozen={"model": frozen},
        parameters={},
    )
    graph = open_graph(record, resolved, artifacts)
    if codec:
        record = replace(record, frozen={"model": replace(frozen, codec=codec)})
    task = Quicken(graph=record, rows=artifacts.save(trips()))
    return quicken(task, resolved, artifacts, graph).fast, graph, artifacts


def test_a_row_function_and_the_session_are_answered_directly(tmp_path: Path) -> None:
    fast, graph, artifacts = quickened(tmp_path, by_session)
    assert (fast.level, fast.why, fast.rows, fast.libraries) == (
        "direct",
        "",
        ("features",),
        ("onnxruntime",),
    )
    assert fast.compared > 300 and fast.tolerance in (0.0, 1e-6)
    compiled = read_compiled(artifacts.load(fast.compiled["model"]))
    row = row_function(graph.resolved, graph.frozen, graph.given, "features")
    direct = open_direct(fast.plan, open_model(compiled), ["id", "at", "km"], row)
    rows = trips().drop("minutes")
    alone = [graph.raw_answer(rows[at : at + 1].to_arrow())[0].item() for at in range(len(rows))]
    assert np.array_equal([direct.one(values) for values in rows.rows()], alone, equal_nan=True)
    assert any(value != value for value in alone), "a missing distance has no answer"
    stand = stand_in(lambda: graph.frozen["model"], open_model(compiled))
    beside = graph.with_frozen({"model": stand}).raw_answer(rows.to_arrow())
    assert beside.tobytes() == graph.raw_answer(rows.to_arrow()).tobytes()


def test_without_a_row_function_the_original_answers_and_says_so(tmp_path: Path) -> None:
    fast, _, _ = quickened(tmp_path, by_session, row=False)
    assert fast == FastPath(level="original", why="features has no row function (@p.row(features))")


def test_a_model_that_predict_opens_itself_is_named(tmp_path: Path) -> None:
    fast, _, _ = quickened(tmp_path, by_model)
    assert fast.level == "original"
    assert fast.why == "model is read as a ModelProto: annotate it onnxruntime.InferenceSession in predict"


def test_what_predict_does_beside_is_named(tmp_path: Path) -> None:
    fast, _, _ = quickened(tmp_path, squared)
    assert fast.level == "original"
    assert fast.why == "predict is no single call: it calls by_session"


def test_a_program_of_torch_export_has_no_fast_form(tmp_path: Path) -> None:
    fast, _, _ = quickened(tmp_path, by_session, codec="torch-export/1")
    assert fast.why == "model is a program of torch.export, which has no fast form; as an ONNX model it has"
