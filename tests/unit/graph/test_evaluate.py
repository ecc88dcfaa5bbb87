"""A version's graph asked for the rows that judge it."""

# mypy: ignore-errors
from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import noria
from noria.adapters.folder import FolderStore
from noria.artifacts import Artifacts
from noria.declare import Resolved, resolve
from noria.graph.answer import Graph
from noria.graph.errors import AllSeen
from noria.graph.evaluate import answer
from noria.records.tasks import Answer
from noria.records.versions import ServingGraph


def pipeline() -> Resolved:
    """Its predict refuses to be asked nothing, as scikit-learn's estimators do."""
    p = noria.Pipeline("p")

    @p.data(key="id")
    def rows(): ...

    @p.predict
    def double(rows: pl.DataFrame) -> np.ndarray:
        if not rows.height:
            raise ValueError("Found array with 0 sample(s)")
        return rows["x"].to_numpy() * 2

    return resolve(p)


def answered(folder: Path, *, seen: range, kept: range | None = None) -> list[int]:
    artifacts = Artifacts(FolderStore(folder), scratch=folder / "scratch")
    graph = Graph(pipeline(), {}, {})
    rows = artifacts.save(pl.DataFrame({"id": range(4), "x": range(4)}))
    task = Answer(
        graph=ServingGraph(
            pipeline="m:p", data="rows", transforms=(), predict="double", frozen={}, parameters={}
        ),
        rows=rows,
        seen=artifacts.save(pl.DataFrame({"id": seen})),
        kept=None if kept is None else artifacts.save(pl.DataFrame({"id": kept})),
    )
    made = answer(task, graph.resolved, artifacts, graph)
    return artifacts.table(made.rows)["id"].to_pylist()


def test_rows_of_the_training_are_left_out_but_for_the_holdout(tmp_path: Path) -> None:
    assert answered(tmp_path, seen=range(3)) == [3]
    assert answered(tmp_path, seen=range(4), kept=range(2)) == [0, 1]


def test_where_all_rows_were_seen_predict_is_not_asked_for_none(tmp_path: Path) -> None:
    with pytest.raises(AllSeen, match="trained on all 4 rows"):
        answered(tmp_path, seen=range(9))
