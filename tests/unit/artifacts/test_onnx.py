"""ONNX models: one digest in every process, nothing outside of the bytes, sessions where a reader wants one."""

# mypy: ignore-errors
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from noria.artifacts import Artifacts, CannotStore
from noria.artifacts.onnxes import CannotOpen, ExternalData, NoModel
from noria.errors import render
from unit.artifacts import onnx_models


def test_a_model_comes_back_as_it_was(artifacts: Artifacts) -> None:
    model = onnx_models.choosing()
    artifact = artifacts.save(model)
    assert (artifact.codec, artifact.type, artifact.unsafe) == ("onnx/1", "onnx.ModelProto", False)
    assert artifacts.load(artifact) == model
    assert artifacts.save(artifacts.load(artifact)) == artifact


def test_a_model_has_one_digest_in_every_process(artifacts: Artifacts, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path), "MALLOC_PERTURB_": "7"}
    script = [sys.executable, onnx_models.__file__, tmp_path / "other"]
    done = subprocess.run(script, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [artifacts.save(model).digest for model in onnx_models.every()]


def test_the_place_of_the_export_is_no_part_of_the_model(artifacts: Artifacts) -> None:
    here, there = (onnx_models.doubling(trace) for trace in ('File "/home/a.py", line 3', 'File "/b.py"'))
    artifact = artifacts.save(here)
    assert artifacts.save(there) == artifact
    (node,) = artifacts.load(artifact).graph.node
    assert [entry.key for entry in node.metadata_props] == ["namespace"]
    assert len(here.graph.node[0].metadata_props) == 2, "the step's own model was changed"


def test_a_reader_that_wants_a_session_gets_one(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    artifact = artifacts.save(onnx_models.doubling())
    session = artifacts.load(artifact, onnxruntime.InferenceSession)
    assert isinstance(session, onnxruntime.InferenceSession)
    assert session.get_session_options().intra_op_num_threads == 2
    assert session.get_providers() == ["CPUExecutionProvider"]
    rows = np.array([[1, 2], [3, 4]], np.float32)
    assert session.run(None, {"x": rows})[0].tolist() == (2 * rows).tolist()
    assert isinstance(artifacts.load(artifact, onnx.ModelProto), onnx.ModelProto)


def outside(tensor: onnx.TensorProto) -> None:
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL


@pytest.mark.parametrize("place", ["graph", "branch", "constant"])
def test_what_lies_in_another_file_is_refused(artifacts: Artifacts, place: str) -> None:
    model = onnx_models.choosing() if place == "branch" else onnx_models.doubling()
    if place == "graph":
        tensor = model.graph.initializer[0]
    elif place == "branch":
        tensor = model.graph.node[0].attribute[0].g.initializer[0]
    else:
        value = onnx.helper.make_tensor("", onnx.TensorProto.FLOAT, [1], [1.0])
        model.graph.node.append(onnx.helper.make_node("Constant", [], ["c"], name="one", value=value))
        tensor = model.graph.node[1].attribute[0].t
    tensor.raw_data = b"\0\0\0\0"
    tensor.ClearField("float_data")
    outside(tensor)
    with pytest.raises(ExternalData) as caught:
        artifacts.save({"the model": model})
    told = render(caught.value)
    assert "load_external_data_for_model" in told and "the model" in told
    assert repr(tensor.name or "one.value") in told


def test_a_session_is_refused_with_what_to_return(artifacts: Artifacts) -> None:
    session = onnxruntime.InferenceSession(onnx_models.doubling().SerializeToString())
    with pytest.raises(NoModel) as caught:
        artifacts.save(session)
    assert isinstance(caught.value, CannotStore)
    assert "ONNX-SESSION" in render(caught.value) and "return the onnx.ModelProto" in render(caught.value)


def test_a_model_that_the_runtime_does_not_take_is_named(artifacts: Artifacts) -> None:
    model = onnx_models.doubling()
    model.ir_version = 99
    artifact = artifacts.save(model)
    with pytest.raises(CannotOpen) as caught:
        artifacts.load(artifact, onnxruntime.InferenceSession)
    told = render(caught.value)
    assert "ONNX-OPEN" in told and f"onnxruntime {onnxruntime.__version__}" in told and "99" in told
