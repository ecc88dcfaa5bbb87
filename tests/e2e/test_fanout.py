"""Steps that run once an item: lists, lists of lists, parts of a table, gathered in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from e2e.project import Project

POLICY = '[model.sums]\npipeline = "pipeline:sums"\n'
HEAD = """
import os
from typing import Annotated

import noria
import numpy as np
import polars as pl

sums = noria.Pipeline("sums")

@sums.data(key="id")
def rows():
    return pl.DataFrame({"id": range(12), "shop": ["a", "b", None, "a"] * 3, "x": range(12)})
"""
LISTS = (
    HEAD
    + """
@sums.step
def fold(rows):
    return [{"fold": n, "rows": rows["x"].to_list()[n::N]} for n in range(N)]

@sums.step
def parts(fold: noria.Each[dict]):
    print("in fold", fold["fold"])
    return fold["rows"][:fold["fold"]]

@sums.step
def doubled(parts: noria.Each[noria.Each[int]], fold: noria.Each[dict], *, times: int = 2):
    return [times * parts, fold["fold"]]

@sums.step(outputs=("least", "most"))
def ends(fold: noria.Each[dict]):
    return min(fold["rows"]), max(fold["rows"])

@sums.step
def table(doubled, least, most):
    return {"doubled": doubled, "least": least, "most": most}
"""
)


def outcome(project: Project, *words: str) -> dict[str, dict[str, Any]]:
    """Steps of a run by name."""
    return {step["step"]: step for step in project.json("run", *words)["steps"]}


def value(project: Project, step: dict[str, Any], name: str) -> Any:
    """What is stored of an output that is plain JSON."""
    import msgspec

    digest = step["outputs"][name]["digest"].removeprefix("blake3:")
    (path,) = (project.folder / ".noria" / "objects").rglob(f"*{digest[4:]}*")
    return msgspec.json.decode(path.read_bytes())


@pytest.fixture
def lists(make_project: Callable[..., Project]) -> Project:
    return make_project(LISTS.replace("N)", "3)").replace("::N", "::3"), POLICY)


def test_items_are_mapped_nested_and_gathered_in_order(lists: Project) -> None:
    steps = outcome(lists)
    made = value(lists, steps["table"], "table")
    assert made == {
        "doubled": [[], [[2, 1]], [[4, 2], [10, 2]]],
        "least": [0, 1, 2],
        "most": [9, 10, 11],
    }
    assert list(steps) == [
        *("rows", "fold"),
        *("parts[0]", "parts[1]", "parts[2]", "parts"),
        *("doubled[1][0]", "doubled[2][0]", "doubled[2][1]", "doubled"),
        *("ends[0]", "ends[1]", "ends[2]", "ends", "table"),
    ]
    assert (steps["doubled"]["items"], steps["doubled"]["role"]) == (3, "gather")


def test_one_more_item_runs_alone(lists: Project) -> None:
    outcome(lists)
    lists.replace("pipeline.py", "for n in range(3)]", "for n in (0, 1, 2, 1)]")
    lists.replace("pipeline.py", "return [{", "return [{'more': n > 5, **{")
    lists.replace("pipeline.py", "[n::3]}", "[n::3]}}")
    first = outcome(lists)
    lists.replace("pipeline.py", "(0, 1, 2, 1)", "(2, 0, 1, 2)")
    again = outcome(lists)
    assert {name for name, step in first.items() if step["reason"]["type"] == "reused"} == set()
    items = {name: step["reason"]["type"] for name, step in again.items() if name.startswith("parts[")}
    assert set(items.values()) == {"reused"}  # in another order, but no item is new


def test_a_parameter_of_a_mapped_step_and_dry_values(lists: Project) -> None:
    steps = outcome(lists, "--set", "doubled.times=10")
    assert value(lists, steps["table"], "table")["doubled"][1] == [[10, 1]]


def test_an_empty_list_gives_an_empty_list(make_project: Callable[..., Project]) -> None:
    project = make_project(LISTS.replace("N)", "0)").replace("::N", "::1"), POLICY)
    steps = outcome(project)
    assert value(project, steps["table"], "table") == {"doubled": [], "least": [], "most": []}


PARTS = (
    HEAD
    + """
@sums.transform
def features(rows: pl.DataFrame):
    return rows.select(double=pl.col("x") * 2)

@sums.step
def total(features: Annotated[pl.DataFrame, noria.Partition("shop")]):
    return [features["shop"][0], int(features["double"].sum()), features.columns]

@sums.step
def all_totals(total):
    return total
"""
)


def test_a_table_is_cut_by_its_values_nulls_last_and_only_changed_parts_run_again(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(PARTS.replace('key="id"', 'key="id", label="shop"'), POLICY)
    steps = outcome(project)
    assert value(project, steps["all_totals"], "all_totals") == [
        ["a", 66, ["double", "id", "shop"]],
        ["b", 30, ["double", "id", "shop"]],
        [None, 36, ["double", "id", "shop"]],
    ]
    assert steps["features by shop"]["role"] == "partition"
    project.replace("pipeline.py", '"x": range(12)', '"x": [n + (n == 1) for n in range(12)]')
    again = outcome(project)
    ran = {name: step["reason"]["type"] for name, step in again.items() if name.startswith("total[")}
    assert ran == {"total[0]": "reused", "total[1]": "ran", "total[2]": "reused"}


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("return [{", "return {", "STEP-ITEMS", "item by item"),
        (
            "return min",
            "return 1 / 0, min",
            "STEP-RAISED",
            "step ends[",
        ),  # whichever of those side by side is the first to
        (
            "def parts(fold: noria.Each[dict])",
            'def parts(rows: Annotated[pl.DataFrame, noria.Partition("town")], fold: noria.Each[dict])',
            "COLUMNS",
            "town",
        ),
        ("def fold(rows)", "def fold(rows: noria.Each[dict])", "PIPELINE-ROLE", "noria.Partition"),
    ],
)
def test_what_cannot_be_mapped_says_why(lists: Project, old: str, new: str, code: str, words: str) -> None:
    lists.replace("pipeline.py", old, new)
    if code == "STEP-ITEMS":
        lists.replace("pipeline.py", "for n in range(3)]", "for n in range(3)}")
        lists.replace("pipeline.py", '{"fold": n, "rows"', '{n: {"fold": n, "rows"')
        lists.replace("pipeline.py", "[n::3]}", "[n::3]}")
    done = lists.noria("run", exit=None)
    assert done.returncode in (1, 2)
    assert words in done.stderr


def test_lists_of_different_length_side_by_side(lists: Project) -> None:
    lists.replace(
        "pipeline.py",
        "def ends(fold: noria.Each[dict]):",
        "def more(fold):\n    return fold[1:]\n\n@sums.step(outputs=('least', 'most'))\n"
        "def ends(fold: noria.Each[dict], more: noria.Each[dict]):",
    )
    lists.replace("pipeline.py", '@sums.step(outputs=("least", "most"))\ndef more', "@sums.step\ndef more")
    done = lists.noria("run", exit=1)
    assert "STEP-UNEQUAL" in done.stderr and "fold has 3" in done.stderr and "more has 2" in done.stderr


def test_a_failing_item_keeps_what_the_others_made(lists: Project) -> None:
    lists.replace("pipeline.py", 'print("in fold", fold["fold"])', 'assert fold["fold"] != 2, "two"')
    assert "step parts[2] raised AssertionError: two" in lists.noria("run", exit=1).stderr
    lists.replace("pipeline.py", 'assert fold["fold"] != 2, "two"', "pass")
    assert list(outcome(lists))[-1] == "table"
