"""One run: its outputs as objects, its steps, logs and series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import noria
from noria.app.errors import UnknownStep
from noria.artifacts.files import PathCodec
from noria.client.errors import NeedsClass, UnknownOutput, Unsafe
from noria.client.run import Run
from noria.records.artifacts import Artifact
from noria.records.events import StepFinished
from unit.app import stored
from unit.client.worked import flights as rows_of_flights
from unit.client.worked import result


@pytest.fixture
def run(flights: Path) -> Run:
    return noria.runs("delay", project=flights).latest


def test_what_it_says_of_itself(run: Run) -> None:
    assert (run.name, run.model, run.number, run.state) == ("delay/5", "delay", 5, "succeeded")
    assert run.started == run.as_of == datetime(2025, 3, 2, 9, tzinfo=UTC)
    assert run.finished == run.started + timedelta(seconds=15)
    assert run.seconds == 15.0
    assert run.parameters == {"classifier": {"learning_rate": 0.1}}
    assert run.metrics == {"auc": 0.74, "log_loss": 0.5}
    assert run.commit == "2" * 40
    assert run.dirty
    assert run.trigger == "person"
    assert run.error is None
    assert run.version is not None
    assert run.version.name == "delay:3"


def test_a_run_without_a_result(flights: Path) -> None:
    failed = noria.runs(project=flights)[3]
    assert failed.error is not None
    assert failed.error.startswith("ValueError: no rows")
    assert failed.version is None
    assert failed.metrics == {}
    assert failed.log("classifier").endswith("line 29\n")
    assert noria.runs(project=flights)[4].seconds == 10.0


def test_objects_come_back_as_what_they_were(run: Run) -> None:
    table = run["flights"]
    assert isinstance(table, pl.DataFrame)
    assert_frame_equal(table, rows_of_flights())
    assert isinstance(run["classifier"], np.ndarray)
    assert run["page"].startswith("# Report")


def test_a_fan_out_is_a_list_and_an_item_is_one_of_it(run: Run) -> None:
    assert run["score"][2] == {"fold": 2, "auc": 0.72}
    assert run["score[1]"] == {"fold": 1, "auc": 0.71}
    assert len(run["score"]) == 3


@pytest.mark.parametrize("name", ["nope", "score[3]", "flights[0]", "score[x]", "", "nope[0]"])
def test_outputs_that_are_not_there(run: Run, name: str) -> None:
    with pytest.raises(UnknownOutput, match="delay/5 has no output"):
        run[name]


def test_the_names_are_offered(run: Run) -> None:
    assert run.outputs == ["flights", "classifier", "score", "page", "loose"]
    assert run._ipython_key_completions_() == run.outputs


def test_pickle_is_read_only_when_one_says_so(run: Run) -> None:
    with pytest.raises(Unsafe, match="delay/5 loose is pickled") as raised:
        run["loose"]
    assert "run.artifact('loose').load(unsafe=True)" in raised.value.advice()
    assert run.artifact("loose").load(unsafe=True) is object


def test_pickle_inside_of_a_fan_out_is_found(tmp_path: Path) -> None:
    folder = stored.project(tmp_path / "p")
    with stored.opened(folder) as app:
        from noria.artifacts.lists import save_list

        items = [app.artifacts.save(1), app.artifacts.save(object, codec="pickle")]
        begun(app, {"score": save_list(items, app.store)})
    run = noria.runs(project=folder)[1]
    with pytest.raises(Unsafe):
        run["score"]
    assert run["score[0]"] == 1
    assert run.artifact("score").load(unsafe=True) == [1, object]


def begun(app: object, outputs: dict[str, Artifact]) -> None:
    """A run under way, with one finished step that made these."""
    run = app.records.ledger.begin(stored.asked(app, 1, 0.1, at=stored.START), at=stored.START)  # type: ignore[attr-defined, arg-type]
    made = result(app, "step", outputs, after=0, seconds=1)  # type: ignore[arg-type]
    change = StepFinished(model="delay", run=run.number, result=made)
    app.records.ledger.append("delay", [change], at=stored.START)  # type: ignore[attr-defined]


def test_a_file_outlives_the_run_that_it_was_asked_of(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>hello")
    folder = stored.project(tmp_path / "p")
    with stored.opened(folder) as app:
        begun(app, {"report": PathCodec().save(tmp_path / "report.html", app.artifacts)})
    path = noria.runs(project=folder)[1]["report"]
    assert path.name == "report.html"
    assert path.read_text() == "<p>hello"


def test_an_instance_of_the_projects_own_class_needs_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored.project(tmp_path / "p")
    module = "from dataclasses import dataclass\n\n@dataclass\nclass Fold:\n    at: int\n"
    (folder / "folding_of_client_test.py").write_text(module)
    with monkeypatch.context() as within:
        within.syspath_prepend(folder)
        import folding_of_client_test as made  # type: ignore[import-not-found]

        with stored.opened(folder) as app:
            begun(app, {"fold": app.artifacts.save(made.Fold(3))})
    import sys

    del sys.modules["folding_of_client_test"]
    run = noria.runs(project=folder)[1]
    with pytest.raises(NeedsClass) as raised:
        run["fold"]
    assert f'sys.path.insert(0, "{folder}")' in raised.value.advice()
    monkeypatch.syspath_prepend(folder)
    assert run["fold"].at == 3


def test_an_artifact_tells_what_it_is_without_being_read(run: Run) -> None:
    stored_table = run.artifact("flights")
    assert (stored_table.type, stored_table.rows) == ("polars.DataFrame", 1000)
    assert [column.name for column in stored_table.columns] == ["flight_id", "carrier", "distance", "late"]
    assert stored_table.path.stat().st_size == stored_table.size
    assert "polars.DataFrame, 1,000 rows" in repr(stored_table)


def test_steps(run: Run) -> None:
    assert [step.name for step in run.steps][:3] == ["flights", "classifier", "score[0]"]
    classifier = run.steps["classifier"]
    assert (classifier.role, classifier.reason, classifier.seconds) == ("step", "ran: code changed", 9.0)
    assert classifier.fingerprint.environment.startswith("blake3:")
    assert classifier.notes[0].startswith("the code digest fell back")
    assert list(classifier.outputs) == ["classifier"]
    assert classifier.outputs["classifier"].load().tolist() == [1.0, 2.0]
    assert classifier.log == run.log("classifier") == "reading\népoque 1\n"
    assert run.steps["score"].items == 3
    assert run.steps["flights"].data is not None
    assert run.steps[0].name == "flights"
    assert len(run.steps[:2]) == 2
    with pytest.raises(UnknownStep, match="delay/5 has no step 'clasifier'"):
        run.steps["clasifier"]


def test_logs(run: Run) -> None:
    assert run.logs == {"classifier": "reading\népoque 1\n"}
    assert run.log("flights") == ""
    with pytest.raises(UnknownStep):
        run.log("nope")


def test_series(run: Run) -> None:
    series = run.series
    assert series.names == ["train/loss", "valid/loss", "valid/auc", "learning_rate", "auc"]
    table = series.table()
    assert table.columns == ["step", "name", "at_step", "value", "at"]
    assert table.height == len(series) == 4 * 60 + 3 * 20
    assert series["auc"]["step"].unique(maintain_order=True).to_list() == ["score[0]", "score[1]", "score[2]"]
    assert pl.DataFrame(series).equals(table)
    assert series["nope"].height == 0


def test_series_of_a_run_that_broke_off_are_those_of_its_last_attempt(flights: Path) -> None:
    series = noria.runs(project=flights)[6].series
    assert series["loss"]["value"].to_list() == [0.7, 0.6, 0.5]
    assert series["loss"]["step"].unique().to_list() == ["classifier"]


def test_series_of_a_run_under_way_grow(tmp_path: Path) -> None:
    from noria.app.worker import SPOOL
    from noria.inside.spool import Spool

    folder = stored.project(tmp_path / "p")
    with stored.opened(folder) as app:
        begun(app, {})
        spool = Spool(app.state / SPOOL / "delay/1", "classifier")
    run = noria.runs(project=folder)[1]
    assert len(run.series) == 0
    spool.write([("loss", 0.5), ("auc", float("nan"))], 0)
    assert run.series["loss"]["value"].to_list() == [0.5]
    spool.write([("loss", 0.4)], 1)
    assert run.series["loss"]["at_step"].to_list() == [0, 1]
    spool.close()


def test_a_run_under_way_is_read_anew(tmp_path: Path) -> None:
    folder = stored.project(tmp_path / "p")
    with stored.opened(folder) as app:
        begun(app, {"one": app.artifacts.save(1)})
    run = noria.runs(project=folder)[1]
    assert run.state == "killed"  # nobody holds its lock
    assert run.seconds is None
    assert run.outputs == ["one"]
    with stored.opened(folder) as app:
        made = result(app, "two", {"two": app.artifacts.save(2)}, after=1, seconds=1)
        app.records.ledger.append("delay", [StepFinished(model="delay", run=1, result=made)], at=stored.START)
        with app.alone("delay"):
            assert run.state == "running"
            assert run["two"] == 2


def test_runs_are_equal_by_name(run: Run, flights: Path) -> None:
    assert run == noria.runs(project=flights)[5]
    assert run != noria.runs(project=flights)[6]
    assert len({run, noria.runs(project=flights)[5]}) == 1
