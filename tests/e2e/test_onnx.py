"""A model that its step converts to ONNX: from the commit to answers, which are those of the pipeline itself."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl

import noria
from e2e.project import Project

PIPELINE = '''
"""Whether a parcel comes late, by a model that was converted to ONNX."""

from datetime import UTC, datetime, timedelta

import noria
import numpy as np
import onnx
import onnxruntime
import polars as pl
from sklearn.ensemble import HistGradientBoostingClassifier

parcels = noria.Pipeline("parcels")
NAMES = ["weight", "distance", "stops"]


@parcels.data(key="id", time="sent", known="came", label="late")
def sent_parcels(as_of: datetime) -> pl.DataFrame:
    random = np.random.default_rng(2)
    count = 900
    weight, distance = random.gamma(2, 2, count), random.uniform(5, 900, count)
    stops = random.integers(1, 40, count)
    sent = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=at) for at in range(count)]
    late = (distance / 600 + stops / 40 + random.normal(0, 0.2, count)) > 1
    columns = dict(zip(NAMES, (weight, distance, stops)))
    came = [moment + timedelta(hours=9) for moment in sent]
    return pl.DataFrame(dict(id=range(count), sent=sent, came=came, late=late.astype(int), **columns))


@parcels.step(outputs=("train", "holdout"))
def split(sent_parcels: pl.DataFrame):
    last = sent_parcels["sent"].max() - timedelta(days=6)
    return sent_parcels.filter(pl.col("sent") <= last), sent_parcels.filter(pl.col("sent") > last)


@parcels.step
def model(train: pl.DataFrame) -> onnx.ModelProto:
    from skl2onnx import to_onnx

    classifier = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    fitted = classifier.fit(train.select(NAMES).to_numpy(), train["late"].to_numpy())
    first = train.select(NAMES)[:1].to_numpy().astype(np.float32)
    return to_onnx(fitted, first, options=dict(zipmap=False))


@parcels.predict
def late(model: onnxruntime.InferenceSession, sent_parcels: pl.DataFrame) -> np.ndarray:
    matrix = sent_parcels.select(NAMES).to_numpy().astype(np.float32)
    return model.run(["probabilities"], {"X": matrix})[0][:, 1]


@parcels.loss(on="holdout", range=(0, 5))
def log_loss(label: np.ndarray, answer: np.ndarray) -> np.ndarray:
    return -np.log(np.clip(np.where(label == 1, answer, 1 - answer), 1e-2, 1))
'''

# on more threads onnxruntime adds up many rows' trees in another order than a row's alone
POLICY = 'threads = 1\n[model.parcels]\npipeline = "pipeline:parcels"\n'
ROWS = [
    {"id": at, "sent": "2024-03-01T10:00:00Z", "weight": 0.37 * at, "distance": 31.7 * at, "stops": at}
    for at in range(24)
]


@contextmanager
def served(project: Project) -> Iterator[str]:
    service = project.start("serve", "parcels@champion", "--port", "0", "--no-watch")
    try:
        assert service.stdout is not None
        yield next(
            found[0] for line in service.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line))
        )
    finally:
        service.send_signal(signal.SIGINT)
        _, told = service.communicate(timeout=60)
    assert service.returncode == 0, told
    assert "fast.unused" not in told


def answers(url: str, rows: list[dict[str, Any]]) -> list[float]:
    body = json.dumps({"rows": rows}).encode()
    request = urllib.request.Request(
        f"{url}/v1/models/parcels/predict", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return [one["answer"] for one in json.load(response)["predictions"]]


def offline(project: Project, rows: list[dict[str, Any]]) -> list[float]:
    """By the version's own code, in a process that serves nothing."""
    version = noria.versions(project=project.folder)[1]
    table = pl.DataFrame(rows).with_columns(pl.col("sent").str.to_datetime(time_zone="UTC"))
    return [float(value) for value in version.predict(table)["answer"]]


def test_converted_trees_are_answered_directly_and_bit_for_bit(make_project: Callable[..., Project]) -> None:
    project = make_project(PIPELINE, POLICY)
    assert "parcels@champion is now parcels:1" in project.noria("run").stdout
    shown = project.noria("show", "parcels:1").stdout
    assert re.search(
        r"^serves  direct \(onnxruntime, [\d,]+ parity rows, bit-equal\)$", shown, re.MULTILINE
    ), shown
    assert re.search(r"^  model +onnx/1 ", shown, re.MULTILINE), shown
    with served(project) as url:
        alone = [answers(url, [row])[0] for row in ROWS]
        assert alone == answers(url, ROWS) == offline(project, ROWS)
    assert len(set(alone)) > 5
