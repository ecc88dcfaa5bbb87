"""JSON values and structures come back equal, of the same types, from bytes that are the same every time."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from noria.artifacts import Artifacts, CannotStore
from noria.artifacts.classes import ClassGone
from noria.errors import render
from noria.records.base import digest_bytes
from unit.artifacts.shapes import Colour, Encoder, Fold, Level, Pair, Point, Settings

PLAIN = [
    None,
    True,
    0,
    -(2**63),
    2**53 + 1,
    1.5,
    -0.0,
    1e300,
    "",
    "é\u2028\x00\U0001f600",
    [],
    {},
    [1, 1.0, [None, "x"]],
    {"b": 1, "a": {"": [True]}},
]
RICH = [
    2**70,
    (1, "a"),
    [(), ((1,),)],
    {2: "two", (1, 2): "pair", None: 0, True: 1.5},
    {"$": "dollar"},
    {"a", "b"},
    frozenset({1, 2}),
    b"bytes",
    b"x" * 5000,
    date(2024, 2, 29),
    time(1, 2, 3, 4),
    timedelta(days=-1, microseconds=1),
    datetime(2024, 1, 1, 12),
    datetime(2024, 1, 1, 12, tzinfo=UTC),
    datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris")),
    Decimal("1.10"),
    uuid.UUID(int=7),
    Colour.RED,
    [Level.HIGH],
    Fold(datetime(2024, 1, 1), 3),
    [Settings(rate=0.5, names=("a", "b"))],
    Point(1, 2),
    Pair((1,), {"x": 2}),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_are_json_that_anyone_can_read(artifacts: Artifacts, value: Any) -> None:
    artifact = artifacts.save(value)
    assert artifact.codec == "json/1"
    assert repr(artifacts.load(artifact)) == repr(value)
    assert json.loads(artifacts.store.get(artifact.digest)) == value


@pytest.mark.parametrize("value", RICH, ids=lambda value: type(value).__name__)
def test_richer_values_come_back_equal_and_of_their_type(artifacts: Artifacts, value: Any) -> None:
    back = artifacts.load(artifacts.save(value))
    assert back == value
    assert type(back) is type(value)
    if isinstance(value, datetime):
        assert (back.tzinfo, back.fold) == (value.tzinfo, value.fold)


def test_a_dict_keeps_its_order_for_code_can_see_it(artifacts: Artifacts) -> None:
    assert list(artifacts.load(artifacts.save({"b": 1, "a": 2}))) == ["b", "a"]


def test_sets_have_one_digest_in_every_process(artifacts: Artifacts) -> None:
    script = (
        "import sys; from pathlib import Path; from noria.adapters.folder import FolderStore;"
        "from noria.artifacts import Artifacts;"
        "print(Artifacts(FolderStore(Path(sys.argv[1]))).save({str(n) for n in range(50)}).digest)"
    )
    root = artifacts.store.root  # type: ignore[attr-defined]
    runs = [
        subprocess.run(
            [sys.executable, "-c", script, root],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (np.float64(1.5), 1.5),
        (np.float32(0.5), 0.5),
        (np.int8(-3), -3),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
    ],
)
def test_a_numpy_scalar_is_the_number_that_it_is(artifacts: Artifacts, value: Any, number: Any) -> None:
    assert artifacts.load(artifacts.save(value)) == number
    assert artifacts.load(artifacts.save({"score": value})) == {"score": number}


def test_arrays_and_tables_inside_a_structure_are_artifacts_of_their_own(artifacts: Artifacts) -> None:
    weights, table = np.arange(20_000.0), pl.DataFrame({"a": [1, 2]})
    value = {"levels": {"carrier": ["AA", "UA"]}, "weights": weights, "folds": [(table, 1)]}
    artifact = artifacts.save(value)
    back = artifacts.load(artifact)
    assert back["levels"] == value["levels"]
    assert np.array_equal(back["weights"], weights)
    assert back["folds"][0][0].equals(table)
    held = set(artifacts.holds(artifact))
    assert held == {artifacts.save(weights).digest, artifacts.save(table).digest}
    assert artifact.size < 1000


def test_a_dataclass_is_restored_and_not_made_again(artifacts: Artifacts) -> None:
    encoder = Encoder(levels={"x": ["a"]}, weights=np.ones(3))
    back = artifacts.load(artifacts.save(encoder))
    assert type(back) is Encoder
    assert (back.levels, back.weights.tolist(), back.made) == ({"x": ["a"]}, [1, 1, 1], 1)


def looped() -> list[Any]:
    loop: list[Any] = []
    loop.append({"in": loop})
    return loop


class Hidden(Enum):
    pass


def inner_class() -> Any:
    from dataclasses import dataclass

    @dataclass
    class Local:
        x: int

    return Local(1)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "nan is no JSON number"),
        ({"quality": {"auc": [1.0, float("inf")]}}, r"\(at quality\.auc\[1\]\): inf is no JSON number"),
        ("\ud800", "surrogate"),
        (looped(), "it contains itself"),
        ({"model": {"f": print}}, r"cannot store builtin_function_or_method \(at model\.f\)"),
        ({"a": np.array([object()])}, r"dtype object \(at a\)"),
        ({"t": pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})}, r"\(at t\.o\)"),
        (inner_class(), "define it at the top of a module"),
        (object(), "there is no safe form for it"),
        (lambda: 1, "cannot store function"),
        (np.datetime64("2024-01-01"), "it is no JSON value"),
    ],
)
def test_what_cannot_be_stored_is_named_with_its_place_and_what_to_do(
    artifacts: Artifacts, value: Any, says: str
) -> None:
    with pytest.raises(CannotStore, match=says) as caught:
        artifacts.save(value)
    message = render(caught.value)
    assert "return a table" in message and 'codec="pickle"' in message


def test_json_by_name_refuses_what_json_does_not_have(artifacts: Artifacts) -> None:
    assert artifacts.save([1], codec="json").codec == "json/1"
    with pytest.raises(CannotStore, match="more than plain JSON"):
        artifacts.save((1, 2), codec="json")


@pytest.mark.parametrize(
    "path", ["unit.artifacts.shapes:Gone", "no.such.module:X", "subprocess:Popen", "os:system"]
)
def test_a_structure_names_classes_of_data_and_nothing_else(artifacts: Artifacts, path: str) -> None:
    """Whoever could write the file still could not have anything called."""
    genuine = artifacts.save(Point(1, 2))
    forged = artifacts.store.get(genuine.digest).replace(b"unit.artifacts.shapes:Point", path.encode())
    digest = artifacts.store.put(forged)
    assert digest == digest_bytes(forged)
    with pytest.raises(ClassGone, match="cannot be found"):
        artifacts.load(type(genuine)(digest=digest, codec="bundle/1", size=len(forged)))
