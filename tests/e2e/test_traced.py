"""`[service] traces`: from a caller's trace to the answer and back, with a version that answers by its compiled model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from e2e.project import Project
from e2e.test_crashes import until
from e2e.test_wheel import served
from integration.collector import collector

PIPELINE = """
import noria
import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression

tumours = noria.Pipeline("tumours")


@tumours.data(key="id", label="bad")
def rows() -> pl.DataFrame:
    size = np.random.default_rng(1).normal(size=200)
    return pl.DataFrame({"id": [f"r{n}" for n in range(200)], "size": size, "bad": (size > 0.2).astype(int)})


@tumours.step
def classifier(rows: pl.DataFrame):
    return LogisticRegression().fit(rows.select("size").to_numpy(), rows["bad"].to_numpy())


@tumours.predict
def bad(classifier, rows: pl.DataFrame) -> np.ndarray:
    return classifier.predict_proba(rows.select("size").to_numpy())[:, 1]
"""
POLICY = '[model.tumours]\npipeline = "pipeline:tumours"\n\n[service]\nport = 0\ntraces = "{url}"\n'
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def test_from_a_callers_trace_to_the_answer_and_back(make_project: Callable[..., Project]) -> None:
    with collector() as got:
        project = make_project(PIPELINE, POLICY.format(url=got.url))
        project.noria("run")
        assert project.version("tumours:1")["fast"]["level"] == "direct"
        with served(project, "--no-watch", of="tumours") as (connection, _):
            headers = {"content-type": "application/json", "traceparent": f"00-{TRACE}-{CALLER}-01"}
            body = json.dumps({"rows": [{"id": "new", "size": 0.4}]})
            connection.request("POST", "/v1/models/tumours/predict", body, headers)
            answer: Any = json.loads(connection.getresponse().read())
            until(lambda: len(got.spans) == 4, "the span and its stages came")
        (span,) = got.named("predict tumours")
        assert (span.trace, span.parent) == (TRACE, CALLER)
        assert span.facts["noria.run"] == "tumours/1"
        assert span.facts["noria.commit"] == project.git("rev-parse", "HEAD").strip()
        assert span.facts["noria.prediction"] == answer["predictions"][0]["id"]
        stages = [one.name for one in got.spans if one.parent == span.id]
        assert stages == ["read", "model", "log and reply"]
    found = project.json("trace", span.facts["noria.prediction"])
    assert found["prediction"]["trace"] == TRACE
    assert TRACE in project.noria("trace", "--key", "new").stdout


def test_an_address_that_is_none_is_named_with_its_line(make_project: Callable[..., Project]) -> None:
    project = make_project(PIPELINE, POLICY.format(url="collector:4318"))
    told = project.noria("status", exit=2).stderr
    assert "line 6: service.traces" in told and "http://127.0.0.1:4318" in told
