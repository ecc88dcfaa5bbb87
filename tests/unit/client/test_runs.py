"""`noria.runs`: which runs there are, and how one finds the one that is meant."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import noria
from noria.app.errors import UnknownModel, UnknownRun
from noria.client import Runs
from noria.client.errors import BadFilter, NoneSucceeded, NotNamed
from noria.records.events import RunFinished
from noria.records.runs import Succeeded, Trigger
from unit.app import stored


@pytest.fixture
def runs(flights: Path) -> Runs:
    return noria.runs("delay", project=flights)


def numbers(runs: Runs) -> list[int]:
    return [run.number for run in runs]


def test_the_newest_come_first(runs: Runs) -> None:
    assert numbers(runs) == [6, 5, 4, 3, 2, 1]
    assert len(runs) == 6
    assert runs


def test_latest_is_the_newest_that_succeeded(runs: Runs) -> None:
    assert runs.latest.name == "delay/5"


def test_by_number_and_by_name(runs: Runs) -> None:
    assert runs[3].name == runs["3"].name == runs["delay/3"].name == "delay/3"
    assert runs["delay/last"].number == 6


def test_slices_are_positions(runs: Runs) -> None:
    assert numbers(runs[:2]) == [6, 5]
    assert numbers(runs[1:5:2]) == [5, 3]
    assert numbers(runs[2:][:2]) == [4, 3]
    assert len(runs[4:]) == 2
    assert not runs[9:]


@pytest.mark.parametrize("key", [-1, "x", "", True, 1.5, None, "delay:3"])
def test_what_names_no_run(runs: Runs, key: object) -> None:
    with pytest.raises(NotNamed) as raised:
        runs[key]  # type: ignore[call-overload]
    assert "runs[143]" in raised.value.advice()


@pytest.mark.parametrize("key", [slice(-3, None), slice(None, -1), slice(None, None, -1), slice(0, 3, 0)])
def test_slices_that_would_need_the_end_first(runs: Runs, key: slice) -> None:
    with pytest.raises(NotNamed):
        runs[key]


def test_a_run_that_is_not_there(runs: Runs) -> None:
    with pytest.raises(UnknownRun, match="no run delay/99") as raised:
        runs[99]
    assert raised.value.__notes__ == ["next: noria runs"]


def test_a_model_that_is_not_there(flights: Path) -> None:
    with pytest.raises(UnknownModel, match="no model 'dely'; it has: delay"):
        noria.runs("dely", project=flights)


def test_without_a_model(flights: Path) -> None:
    everything = noria.runs(project=flights)
    assert everything.latest.name == "delay/5"
    assert everything[2].name == "delay/2"  # the project has one model alone


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"state": "failed"}, [6, 3]),
        ({"state": ["failed", "interrupted"]}, [6, 4, 3]),
        ({"trigger": "schedule"}, [3]),
        ({"since": "2025-03-02"}, [6, 5]),
        ({"since": date(2025, 3, 2)}, [6, 5]),
        ({"since": datetime(2025, 3, 2, 10, tzinfo=UTC)}, [6]),
        ({"since": datetime(2025, 3, 2, 10)}, [6]),
        ({"since": timedelta(days=1)}, []),
        ({"parameter": {"classifier.learning_rate": 0.05}}, [1]),
        ({"parameter": {"classifier.learning_rate": lambda rate: rate > 0.05}}, [6, 5, 4, 3, 2]),
        ({"parameter": {"classifier.depth": 3}}, []),
        ({"state": "succeeded", "parameter": {"classifier.learning_rate": 0.1}}, [5, 2]),
    ],
)
def test_filters(runs: Runs, given: dict[str, object], found: list[int]) -> None:
    assert numbers(runs.where(**given)) == found  # type: ignore[arg-type]
    assert len(runs.where(**given)) == len(found)  # type: ignore[arg-type]


def test_filters_narrow_one_another(runs: Runs) -> None:
    assert numbers(runs.where(state="failed").where(since="2025-03-02")) == [6]
    assert numbers(runs.where(state="failed").where(state="succeeded")) == []
    assert numbers(runs.where(state="succeeded")[:2]) == [5, 2]


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        ({"state": "done"}, "known are abandoned, failed"),
        ({"trigger": "robot"}, "known are commit"),
        ({"since": "yesterday"}, 'since="2025-03-01"'),
        ({"since": 3}, 'since="2025-03-01"'),
        ({"parameter": {"learning_rate": 1}}, "name step and parameter"),
        ({"parameter": "classifier.learning_rate"}, "name step and parameter"),
    ],
)
def test_filters_that_mean_nothing(runs: Runs, given: dict[str, object], fix: str) -> None:
    with pytest.raises(BadFilter) as raised:
        runs.where(**given)  # type: ignore[arg-type]
    assert fix in raised.value.advice()


def test_the_table(runs: Runs) -> None:
    table = runs.table()
    assert table.columns == [
        *("name", "state", "started", "seconds", "trigger", "commit", "version"),
        *("classifier.learning_rate", "auc", "log_loss"),
    ]
    assert table["name"].to_list() == [f"delay/{number}" for number in (6, 5, 4, 3, 2, 1)]
    first = table.row(1, named=True)
    assert first["started"] == datetime(2025, 3, 2, 9, tzinfo=UTC)
    assert (first["seconds"], first["version"], first["auc"]) == (15.0, 3, 0.74)
    assert table["auc"].to_list() == [None, 0.74, None, None, 0.66, 0.71]
    assert runs[1:2].table().equals(table[1:2])


def test_a_table_of_mixed_parameters_and_of_metrics_named_like_columns(tmp_path: Path) -> None:
    given = [
        {"a": 1, "b": True, "c": "x", "d": [1], "e": 1, "f": 2**70},
        {"a": 0.5, "b": False, "c": "y", "d": None, "e": "one"},
    ]
    with stored.opened(stored.project(tmp_path / "p")) as app:
        for values in given:
            asked = stored.asked(app, 1, 0.1, at=stored.START)
            wanted = type(asked)(
                **{name: getattr(asked, name) for name in asked.__struct_fields__}
                | {"parameters": {"s": values}}
            )
            run = app.records.ledger.begin(wanted, at=stored.START)
            ended = RunFinished(
                model="delay",
                run=run.number,
                finished=stored.START,
                outcome=Succeeded(metrics={"seconds": 3.0, "auc": 1}),
                steps=(),
            )
            app.records.ledger.append("delay", [ended], at=stored.START)
    table = noria.runs(project=tmp_path / "p").table()
    assert table["s.a"].to_list() == [0.5, 1.0]
    assert table["s.b"].to_list() == [False, True]
    assert table["s.c"].to_list() == ["y", "x"]
    assert table["s.d"].to_list() == [None, "[1]"]
    assert table["s.e"].to_list() == ['"one"', "1"]
    assert table["s.f"].to_list() == [None, 2.0**70]
    assert table["seconds"].to_list() == [0.0, 0.0]
    assert table["metric.seconds"].to_list() == [3.0, 3.0]


def test_no_run_at_all_is_an_empty_table(tmp_path: Path) -> None:
    with stored.opened(stored.project(tmp_path / "p")):
        pass
    runs = noria.runs("delay", project=tmp_path / "p")
    assert len(runs) == 0
    assert not runs
    assert runs.table().shape == (0, 7)
    assert "No runs of delay" in runs._repr_html_()
    with pytest.raises(NoneSucceeded, match="no run of delay has succeeded yet"):
        _ = runs.latest


def many(folder: Path, count: int) -> Path:
    with stored.opened(stored.project(folder)) as app:
        for number in range(count):
            at = stored.START + timedelta(minutes=number)
            kind = "trial" if number % 2 else "person"
            asked = stored.asked(app, 1, number / 1000, at=at, trigger=Trigger(kind=kind))  # type: ignore[arg-type]
            run = app.records.ledger.begin(asked, at=at)
            ended = RunFinished(
                model="delay", run=run.number, finished=at, outcome=Succeeded(metrics={"auc": 0.5}), steps=()
            )
            app.records.ledger.append("delay", [ended], at=at)
    return folder


def test_more_runs_than_one_look_reads(tmp_path: Path) -> None:
    runs = noria.runs("delay", project=many(tmp_path / "p", 150))
    assert numbers(runs) == list(range(150, 0, -1))
    assert len(runs) == runs.table().height == 150
    assert numbers(runs[100:103]) == [50, 49, 48]
    early = runs.where(parameter={"classifier.learning_rate": lambda rate: rate < 0.002})
    assert numbers(early) == [2, 1]
    assert numbers(early[1:]) == [1]
    assert numbers(runs.where(since=stored.START + timedelta(minutes=148))) == [150, 149]
    assert "and more" in runs._repr_html_()
    assert repr(runs).splitlines()[-1] == "  ..."


def test_latest_is_no_trial_unless_one_asks_for_trials(tmp_path: Path) -> None:
    runs = noria.runs("delay", project=many(tmp_path / "p", 4))
    assert runs.latest.number == 3
    assert runs.where(trigger="trial").latest.number == 4


def test_a_run_that_came_meanwhile_is_seen(tmp_path: Path) -> None:
    folder = many(tmp_path / "p", 3)
    runs = noria.runs("delay", project=folder)
    before = iter(runs)
    assert next(before).number == 3
    many(folder, 1)
    assert numbers(runs) == [4, 3, 2, 1]
    assert [run.number for run in before] == [2, 1]


def test_where_the_project_is(flights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORIA_PROJECT", str(flights))
    assert noria.runs().latest.name == "delay/5"
    inside = flights / "notebooks"
    inside.mkdir(exist_ok=True)
    monkeypatch.delenv("NORIA_PROJECT")
    monkeypatch.chdir(inside)
    runs = noria.runs()
    monkeypatch.chdir(tmp_path)  # a notebook may move on
    assert runs.latest.name == "delay/5"


def test_tables_are_polars(runs: Runs) -> None:
    assert isinstance(runs.table(), pl.DataFrame)
    assert isinstance(noria.versions(project=runs._place.project).table(), pl.DataFrame)
