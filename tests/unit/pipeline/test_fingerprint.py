"""What decides a step's result, and why it runs again, in a reader's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

import noria
from noria.declare import Step
from noria.pipeline.code import Coded
from noria.pipeline.fingerprint import carried, fingerprint, why
from noria.records.artifacts import Artifact
from noria.records.base import Digest, digest_of
from noria.records.runs import Fingerprint, Ran, StepResult

D = [Digest(f"blake3:{n:064x}") for n in range(9)]
NOW = Fingerprint(
    code=D[0],
    inputs={"train": D[1], "rows": D[2]},
    parameters={"rate": 0.1, "depth": 6},
    environment=D[3],
    seed=1,
)


def result(print_: Fingerprint) -> StepResult:
    reason = Ran(why="first run")
    return StepResult(
        step="s",
        role="step",
        fingerprint=print_,
        outputs={},
        reason=reason,
        started=datetime.now(UTC),
        seconds=0.1,
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "its outputs are gone from the store"),
        ({"code": D[5]}, "code changed"),
        ({"environment": D[5]}, "environment changed"),
        ({"inputs": {"train": D[5], "rows": D[2]}}, "input train changed"),
        ({"inputs": {"train": D[1], "holdout": D[2]}}, "input rows is new, input holdout is gone"),
        ({"parameters": {"rate": 0.05, "depth": 6}}, "parameter rate 0.05 -> 0.1"),
        ({"parameters": {"rate": 0.1}}, "parameter depth is new: 6"),
        ({"parameters": {"rate": 0.1, "depth": 6, "old": 1}}, "parameter old is gone"),
        ({"parameters": {"rate": "x" * 99, "depth": 6}}, f"parameter rate {'x' * 40}... -> 0.1"),
        ({"seed": 0}, "seed 0 -> 1"),
        ({"code": D[5], "inputs": {"train": D[5], "rows": D[2]}}, "code changed, input train changed"),
    ],
)
def test_why(changed: dict[str, Any], said: str) -> None:
    assert why(result(msgspec.structs.replace(NOW, **changed)), NOW) == said


def test_a_first_run_says_so() -> None:
    assert why(None, NOW) == "first run"


def declared(role: str) -> Step:
    p = noria.Pipeline("p")

    def made(model):
        return None

    getattr(p, role)(made)
    return p.steps["made"]


def taken(codec: str, maker: Digest, role: str = "step", seed: int = 0) -> Digest:
    made = fingerprint(
        declared(role),
        coded=Coded(D[0]),
        inputs={"model": Artifact(digest=D[1], codec=codec, size=1)},
        makers={"model": maker},
        parameters={},
        environment=D[2],
        seed=seed,
    )
    return digest_of(made)


@pytest.mark.parametrize(
    ("codec", "counts"),
    [("arrow/1", False), ("npy/1", False), ("json/1", False), ("skops/1", True), ("pickle/1", True)],
)
def test_an_object_behaves_as_its_makers_code_says(codec: str, counts: bool) -> None:
    """A model whose class changed its `predict` has the same bytes, and answers otherwise."""
    assert (taken(codec, D[5]) != taken(codec, D[6])) == counts


def test_an_object_made_of_an_object_carries_both_codes() -> None:
    inputs = {"model": Artifact(digest=D[1], codec="skops/1", size=1)}
    assert carried(Coded(D[0]), inputs, {"model": D[5]}) != carried(Coded(D[0]), inputs, {"model": D[6]})
    assert carried(Coded(D[0]), {}, {"model": D[5]}) == D[0]


@pytest.mark.parametrize(
    ("role", "counts"),
    [("step", True), ("check", True), ("metrics", True), ("report", True), ("transform", False)],
)
def test_the_seed_counts_where_numbers_may_be_drawn(role: str, counts: bool) -> None:
    assert (taken("json/1", D[5], role, seed=1) != taken("json/1", D[5], role, seed=2)) == counts
