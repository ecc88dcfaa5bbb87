"""In a worker: the fast path of a version whose predict asks an onnxruntime session on a frozen ONNX model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noria.artifacts.tables import to_arrow
from noria.declare import Resolved
from noria.fast.compiled import Uncompiled
from noria.fast.discovery import Direction, Predicting, discover_session
from noria.fast.parity import Parity
from noria.fast.session_parity import check_session
from noria.graph.answer import Graph
from noria.graph.planned import planned
from noria.graph.rowwise import chain_names
from noria.records.fast import FastPath
from noria.records.tasks import Quicken

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from noria.artifacts import Artifacts

ONNX, EXPORTED = "onnx/", "torch-export/"  # of an artifact's codec


def session_path(
    task: Quicken, resolved: Resolved, artifacts: Artifacts, graph: Graph, sample: pa.Table
) -> FastPath | str:
    """The path; or why there is none; empty where predict reads no ONNX model. This never fails a run."""
    if exported := _read_by_predict(task, resolved, EXPORTED):
        return f"{exported} is a program of torch.export, which has no fast form; as an ONNX model it has"
    name = _read_by_predict(task, resolved, ONNX)
    if not name:
        return ""
    session = graph.frozen[name]
    if type(session).__name__ != "InferenceSession":
        return f"{name} is read as a {type(session).__name__}: annotate it onnxruntime.InferenceSession in predict"
    try:
        return _path(task, resolved, artifacts, graph, sample, name)
    except Exception as error:  # nothing that goes wrong here is a reason to lose a trained version
        return f"{name} cannot be compiled: {type(error).__name__}: {error}"


def _read_by_predict(task: Quicken, resolved: Resolved, codec: str) -> str:
    inputs = resolved.predict.inputs if resolved.predict else ()
    read = [name for name in inputs if name in task.graph.frozen]
    return next((name for name in read if task.graph.frozen[name].codec.startswith(codec)), "")


def _path(
    task: Quicken, resolved: Resolved, artifacts: Artifacts, graph: Graph, sample: pa.Table, name: str
) -> FastPath | str:
    model = artifacts.store.get(task.graph.frozen[name].digest)

    def look(predicting: Predicting, rows: pl.DataFrame) -> Direction | str:
        found = discover_session(predicting, name, model, rows)
        return found.reason if isinstance(found, Uncompiled) else found

    found = planned(resolved, graph, sample, look)
    if isinstance(found, str):
        return found
    parity = _held(graph, found, sample)
    if not parity.equal:
        return f"{name}: differs: {parity.difference}"
    return FastPath(
        level="direct",
        compiled={name: artifacts.save(found.compiled.to_bytes())},
        plan=found.plan,
        rows=chain_names(resolved, found.plan.table),
        libraries=(found.compiled.library,),
        compared=parity.rows,
        tolerance=parity.tolerance,
    )


def _held(graph: Graph, found: Direction, sample: pa.Table) -> Parity:
    """Predict's own session beside the compiled model, on the columns of the table that predict reads."""
    import polars as pl

    table = pl.DataFrame(to_arrow(graph.read(sample)[found.plan.table]))
    columns: list[Any] = [table[name].cast(float).to_numpy() for name in found.plan.columns]
    return check_session(found.compiled, graph.frozen[found.plan.estimator], columns)
