"""Compiled models beside their own libraries: one row, and 256.

    python bench/fast_models.py [--repeat 5]

100 trees or a linear model on 30 numeric columns, and a pipeline with categories on 20 columns. Each answers
`predict_proba` in the same process, in turns, on one thread; microseconds of processor time a call.
Ends with 1 when a batch takes longer than the library's own.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import polars as pl
import xgboost
from measuring import NORIA, Figure, compiled, options, report, versions_of
from skl2onnx import to_onnx
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from noria.fast.compiled import Compiled
from noria.fast.compiling import compile_model
from noria.fast.discovery import Direction, Predicting, discover_session
from noria.fast.opened import Method, open_model
from noria.fast.sessions import open_session
from noria.fast.standing import columns_of

ITSELF = "the library"
BATCH = 256
SECONDS = 0.1  # of calls, for one value: long enough for a clock of 1 us, short enough for many turns
NAMES = [f"name{at}" for at in range(6)]
NUMBERS = [f"number{at}" for at in range(14)]


@dataclass(frozen=True)
class Pair:
    """A model, its compiled form, and 256 rows for either."""

    name: str
    model: Any
    method: Method
    rows: Any
    listed: Sequence[Sequence[Any]]
    columns: Any
    alike: bool = False
    """Whether many rows go to the very same call."""


def main() -> int:
    asked = options(__doc__, repeat=5).parse_args()
    compiled()
    figures: list[Figure] = []
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for pair in pairs():
            one = Figure(f"{pair.name}, one row", "us")
            many = Figure(f"{pair.name}, {BATCH} rows", "us")
            for _ in range(asked.repeat):
                measure(pair, one, many)
            figures += [one, many, *([] if pair.alike else [beside(pair, many)])]
    found = versions_of(["scikit-learn", "lightgbm", "onnxruntime"])
    return report("fast_models", figures, asked, versions=found)


def measure(pair: Pair, one: Figure, many: Figure) -> None:
    ask = pair.model.predict_proba
    single = pair.rows[:1]
    answer, row, batch, columns = pair.method.one, pair.listed[0], pair.method.many, pair.columns
    one.add(ITSELF, microseconds(lambda: ask(single)))
    one.add(NORIA, microseconds(lambda: answer(row)))
    many.add(ITSELF, microseconds(lambda: ask(pair.rows)))
    many.add(NORIA, microseconds(lambda: batch(columns)))


def microseconds(call: Callable[[], Any]) -> float:
    """Of this process's processor time, a call; the first one is for what is made once."""
    call()
    calls, began = 0, time.process_time()
    while (took := time.process_time() - began) < SECONDS:
        for _ in range(10):
            call()
        calls += 10
    return took / calls * 1e6


def beside(pair: Pair, many: Figure) -> Figure:
    """A batch may not take longer than the library's own."""
    times = Figure(f"{pair.name}, {BATCH} rows, part of the library's time", "", limit=1.0)
    for ours, theirs in zip(many.values[NORIA], many.values[ITSELF], strict=True):
        times.add(NORIA, ours / theirs)
    return times


def pairs() -> list[Pair]:
    found = load_breast_cancer()
    rows, label = found.data, found.target
    more = {"n_estimators": 100, "n_jobs": 1}
    models = {
        "scikit-learn's histogram boosting": HistGradientBoostingClassifier(early_stopping=False),
        "scikit-learn's gradient boosting": GradientBoostingClassifier(),
        "LightGBM": lightgbm.LGBMClassifier(verbose=-1, **more),
        "XGBoost": xgboost.XGBClassifier(**more),
        "forest": RandomForestClassifier(100, n_jobs=1, random_state=0),
        "scaler and logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
    }
    made = [paired(name, model.fit(rows, label), rows[:BATCH]) for name, model in models.items()]
    return [*made, in_onnx(models["scikit-learn's histogram boosting"], rows[:BATCH]), with_categories()]


class InOnnx:
    """A model in ONNX, asked as predict functions ask it."""

    def __init__(self, model: bytes) -> None:
        self.session = open_session(model)

    def predict_proba(self, rows: np.ndarray) -> np.ndarray:
        answer: np.ndarray = self.session.run(["probabilities"], {"X": rows.astype(np.float32)})[0]
        return answer


def in_onnx(model: Any, rows: np.ndarray) -> Pair:
    """The trees, converted; what is compiled of them is found in a predict function."""

    def chances(session: Any, table: pl.DataFrame) -> np.ndarray:
        answer: np.ndarray = session.run(["probabilities"], {"X": table.to_numpy().astype(np.float32)})[0]
        return answer

    made = to_onnx(model, rows[:1].astype(np.float32), options={"zipmap": False}).SerializeToString()
    itself = InOnnx(made)
    predicting = Predicting(chances, "table", {"session": itself.session}, {}, lambda table: table)
    found = discover_session(predicting, "session", made, pl.DataFrame(rows))
    if not isinstance(found, Direction):
        raise SystemExit(found.reason)
    method = open_model(found.compiled).method("run")
    if method.many(rows).tobytes() != itself.predict_proba(rows).tobytes():
        raise SystemExit("ONNX: the compiled model answers differently")
    return Pair("ONNX, histogram boosting", itself, method, rows, rows.tolist(), rows, alike=True)


def with_categories() -> Pair:
    """Six columns of texts, encoded, and fourteen of numbers with nulls, out of a frame."""
    random = np.random.default_rng(0)
    count = 4000
    columns: dict[str, Any] = {name: random.choice(["a", "b", "c", "d", "e"], count) for name in NAMES}
    for name in NUMBERS:
        values = random.normal(size=count)
        columns[name] = [None if value > 1.6 else float(value) for value in values]
    frame = pl.DataFrame(columns)
    label = (frame["name0"] == "a").to_numpy() ^ (random.random(count) < 0.3)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    model = make_pipeline(
        make_column_transformer((encoder, NAMES), ("passthrough", NUMBERS)),
        HistGradientBoostingClassifier(early_stopping=False),
    )
    return paired("pipeline of encoder and boosting, a frame", model.fit(frame, label), frame[:BATCH])


def paired(name: str, model: Any, rows: Any) -> Pair:
    made = compile_model(model)
    if not isinstance(made, Compiled):
        raise SystemExit(f"{name}: {made.reason}")
    listed = rows.tolist() if isinstance(rows, np.ndarray) else rows.rows()
    method = open_model(made).method("predict_proba")
    columns = columns_of(made, rows)
    if not np.allclose(method.many(columns), model.predict_proba(rows), rtol=1e-12, atol=1e-12):
        raise SystemExit(f"{name}: the compiled model answers differently")
    return Pair(name, model, method, rows, listed, columns)


if __name__ == "__main__":
    raise SystemExit(main())
