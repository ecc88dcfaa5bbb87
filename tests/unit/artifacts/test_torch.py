"""torch's modules and exported programs: kept by explicit word alone, as ONNX without one."""

# mypy: ignore-errors
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from noria.artifacts import Artifacts
from noria.artifacts.exported import NotAsked, NotExported
from noria.artifacts.onnxes import NoModel
from noria.artifacts.pickled import NotMarkedUnsafe
from noria.errors import render
from noria.pipeline.seeds import seed_generators

torch = pytest.importorskip(
    "torch", reason="torch takes 5 GB: .venv/bin/uv pip install '.[torch]' onnxscript"
)

from unit.artifacts import torch_programs  # noqa: E402 it imports torch

ROWS = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0]], np.float32)


def test_what_draws_without_a_seed_draws_the_same_again() -> None:
    def drawn(seed: int) -> list[float]:
        seed_generators(seed)
        return torch.rand(4).tolist()

    first = drawn(7)
    torch.rand(1)
    assert drawn(7) == first != drawn(8)


def test_a_program_is_stored_where_the_step_says_so_and_is_marked_as_unsafe(artifacts: Artifacts) -> None:
    program = torch_programs.exported()
    artifact = artifacts.save(program, codec="torch-export")
    assert (artifact.codec, artifact.type, artifact.unsafe) == (
        "torch-export/1",
        "torch.ExportedProgram",
        True,
    )
    given = torch.from_numpy(ROWS)
    assert torch.equal(artifacts.load(artifact).module()(given), program.module()(given))
    assert any("stack_trace" in node.meta for node in program.graph.nodes), (
        "the step's own program was changed"
    )
    assert artifacts.save(artifacts.load(artifact), codec="torch-export") == artifact


def test_a_record_that_denies_that_it_is_unsafe_is_not_read(artifacts: Artifacts) -> None:
    from msgspec.structs import replace

    artifact = artifacts.save(torch_programs.exported(), codec="torch-export")
    with pytest.raises(NotMarkedUnsafe):
        artifacts.load(replace(artifact, unsafe=False))


def test_a_program_has_one_digest_in_every_process_and_folder(tmp_path: Path) -> None:
    told = set()
    for seed in ("1", "2"):
        script = tmp_path / seed / "torch_programs.py"
        script.parent.mkdir()
        shutil.copy(torch_programs.__file__, script)
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        command = [sys.executable, script, tmp_path / seed]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        told.add(done.stdout)
    assert len(told) == 1


def test_without_a_word_programs_and_modules_are_refused_with_the_ways_out(artifacts: Artifacts) -> None:
    with pytest.raises(NotAsked) as asked:
        artifacts.save({"net": torch_programs.exported()})
    assert 'codec="torch-export"' in render(asked.value) and "(at net)" in render(asked.value)
    with pytest.raises(NotExported) as exported:
        artifacts.save([torch_programs.net()])
    for way in ("torch.onnx.export", "torch.export.export", 'codec="pickle"'):
        assert way in render(exported.value)
    with pytest.raises(NotExported):
        artifacts.save(torch_programs.net(), codec="torch-export")
    assert artifacts.save(torch_programs.net(), codec="pickle").unsafe


def test_the_way_out_that_is_named_is_stored_safely_and_answers_alike(artifacts: Artifacts) -> None:
    made = torch.onnx.export(torch_programs.exported(), dynamo=True)
    with pytest.raises(NoModel) as caught:
        artifacts.save(made)
    assert "model_proto" in render(caught.value)
    artifact = artifacts.save(made.model_proto)
    assert (artifact.codec, artifact.unsafe) == ("onnx/1", False)
    assert b"stack_trace" not in artifacts.store.get(artifact.digest)
    session = artifacts.load(artifact, onnxruntime.InferenceSession)
    got = session.run(None, {session.get_inputs()[0].name: ROWS})[0]
    wanted = torch_programs.net()(torch.from_numpy(ROWS)).detach().numpy()
    assert np.allclose(got, wanted, rtol=1e-5)
