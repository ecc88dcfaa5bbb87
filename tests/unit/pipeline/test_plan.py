"""Hyperparameters: defaults, then the file, then the command line; and what is said of a wrong one."""

from __future__ import annotations

import pytest

import noria
from noria.declare import Resolved, resolve
from noria.pipeline.errors import UnknownParameter, WrongParameterType
from noria.pipeline.plan import plan


@pytest.fixture
def resolved() -> Resolved:
    p = noria.Pipeline("p")

    @p.data(key="id", label="y")
    def rows():
        return None

    @p.step
    def model(rows, *, rate: float = 0.1, depth: int = 6, name="x", deep=True, layers=(1, 2), start=None):
        return None

    @p.step
    def plain(model):
        return None

    @p.predict
    def answer(model, rows: list, *, cut: float = 0.5):
        return None

    @p.loss(on="plain", range=(0, 1))
    def loss(label, answer):
        return None

    return resolve(p)


DEFAULTS = {"rate": 0.1, "depth": 6, "name": "x", "deep": True, "layers": [1, 2], "start": None}


def test_defaults_then_the_file_then_the_command_line(resolved: Resolved) -> None:
    planned = plan(
        resolved, {"model": {"rate": 0.2, "depth": 7}}, {"model": {"rate": 0.3}, "answer": {"cut": 1}}
    )
    assert planned.parameters == {"model": {**DEFAULTS, "rate": 0.3, "depth": 7}, "answer": {"cut": 1.0}}
    assert isinstance(planned.parameters["answer"]["cut"], float)
    assert [step.name for step in planned.order] == ["rows", "model", "plain"]


def test_a_plan_leaves_the_declaration_alone(resolved: Resolved) -> None:
    plan(resolved, {}, {"model": {"rate": 0.3}})
    assert plan(resolved, {}, {}).parameters["model"] == DEFAULTS


@pytest.mark.parametrize(
    ("step", "name", "said", "near"),
    [
        ("model", "rat", "has no hyperparameter 'rat'", "did you mean model.rate"),
        ("modle", "rate", "has no step 'modle'", "did you mean model.rate"),
        ("plain", "rate", "has no hyperparameter 'rate'", "it has none"),
        ("loss", "cut", "has no step 'loss'", "answer.cut"),
        ("model", "zzz", "has no hyperparameter 'zzz'", "it has: model.rate, model.depth"),
    ],
)
def test_an_unknown_name_is_told_with_what_was_meant(
    resolved: Resolved, step: str, name: str, said: str, near: str
) -> None:
    with pytest.raises(UnknownParameter) as error:
        plan(resolved, {}, {step: {name: 1}})
    assert f"--set sets {step}.{name}" in str(error.value)
    assert said in str(error.value)
    assert near in error.value.advice()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("rate", "fast", "a string"),
        ("rate", True, "a boolean"),
        ("rate", None, "nothing"),
        ("depth", 1.5, "a number"),
        ("depth", True, "a boolean"),
        ("deep", 1, "an integer"),
        ("name", 5, "an integer"),
        ("layers", {"a": 1}, "a table"),
    ],
)
def test_a_value_of_another_type_is_refused(resolved: Resolved, name: str, value: object, said: str) -> None:
    with pytest.raises(WrongParameterType) as error:
        plan(resolved, {"model": {name: value}}, {})  # type: ignore[dict-item]
    assert f"noria.toml sets model.{name} to {value!r}, {said}" in str(error.value)
    assert f"--set model.{name}=" in error.value.advice()


@pytest.mark.parametrize("value", [1, "a", [1], {"b": 2}, True])
def test_a_default_of_none_takes_anything(resolved: Resolved, value: object) -> None:
    planned = plan(resolved, {}, {"model": {"start": value}})  # type: ignore[dict-item]
    assert planned.parameters["model"]["start"] == value
