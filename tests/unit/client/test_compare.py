"""Runs side by side."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

import noria
from noria.app.compare import Comparison, NothingToCompare, UnknownMetric, charts, compare
from noria.app.errors import BadReference, UnknownModel, UnknownRun, UnknownVersion
from noria.app.output import OutputRefused, UnknownForm
from noria.app.pages.compare import compare_page
from noria.app.pages.lines import Chart, Line
from noria.app.pages.picture import picture
from noria.app.wiring import App
from noria.cli.compared import chart_lines, comparison_lines
from noria.records.events import RunFinished
from noria.records.runs import Failed, Outcome, Succeeded
from unit.app import stored
from unit.client.test_pages import Seen
from unit.client.worked import NASTY, result, series

GATES = """
[model.delay.gates]
auc = { at_least = 0.5 }
brier = { at_least = 0.0, at_most = 1.0 }
log_loss = { no_worse_than = "champion", margin = 0.01 }
"""
TRIED = [  # learning rate, kind, auc
    (0.001, "gbdt", 0.61),
    (0.01, NASTY, 0.72),
    (0.1, "gbdt", 0.72),
    (0.5, "mlp", None),
]

Add = Callable[..., None]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs: three succeeded with a series, the last failed."""
    folder = stored.project(tmp_path_factory.mktemp("tried") / "p")
    (folder / "noria.toml").write_text(stored.TOML + GATES)
    with stored.opened(folder) as app:
        for number, (rate, kind, auc) in enumerate(TRIED):
            add(app, number, {"learning_rate": rate, "kind": kind, "fixed": 3}, auc)
    return folder


def add(app: App, number: int, parameters: dict[str, object], auc: float | None) -> None:
    at = stored.START + timedelta(hours=number)
    asked = msgspec.structs.replace(stored.asked(app, 1, 0.1, at=at), parameters={"classifier": parameters})
    run = app.records.ledger.begin(asked, at=at)
    if auc is None:
        outcome: Outcome = Failed(step="classifier", code="STEP-RAISED", error="ValueError")
    else:
        outcome = Succeeded(metrics={"auc": auc, "log_loss": 1 - auc, "brier": auc / 4, "rows": 10.0})
    drawn = series(app, {"valid/auc": np.linspace(0.5, auc or 0.5, 20)})
    steps = tuple(
        result(app, f"score[{item}]", {"score": app.artifacts.save(item)}, after=0, seconds=1, series=drawn)
        for item in range(2)
    )
    ended = RunFinished(model="delay", run=run.number, finished=at, outcome=outcome, steps=steps)
    app.records.ledger.append("delay", [ended], at=at)


def of(folder: Path, *names: str, last: int | None = None, metric: str | None = None) -> Comparison:
    with stored.opened(folder) as app:
        return compare(app, names, last=last, metric=metric)


def test_what_differs_and_what_came_of_it(tried: Path) -> None:
    found = of(tried, "delay/1", "delay/2", "delay/4")
    assert [side.name for side in found.runs] == ["delay/1", "delay/2", "delay/4"]
    assert {one.name: one.values for one in found.parameters} == {
        "classifier.kind": ("gbdt", NASTY, "mlp"),
        "classifier.learning_rate": (0.001, 0.01, 0.5),
    }
    assert found.alike == 1
    assert {one.name: one.values for one in found.metrics}["auc"] == (0.61, 0.72, None)
    assert found.runs[2].state == "failed"


def test_the_best_is_marked_where_better_is_known(tried: Path) -> None:
    measures = {one.name: one for one in of(tried, "delay", last=4).metrics}
    assert (measures["auc"].better, measures["auc"].best) == ("higher", (1, 2))  # delay/3 and delay/2 alike
    assert (measures["log_loss"].better, measures["log_loss"].best) == ("lower", (1, 2))
    assert (measures["brier"].better, measures["brier"].best) == (None, ())  # a gate holds it from both sides
    assert (measures["rows"].better, measures["rows"].best) == (None, ())


def test_the_loss_is_better_lower_without_any_gate(flights: Path) -> None:
    measures = {one.name: one for one in of(flights, "delay/1", "delay/5").metrics}
    assert measures["log_loss"].better == "lower"
    assert measures["auc"].better is None


def test_a_metric_puts_its_best_first(tried: Path) -> None:
    assert [side.name for side in of(tried, "delay", last=4, metric="auc").runs] == [
        *("delay/3", "delay/2", "delay/1", "delay/4")
    ]
    assert [side.name for side in of(tried, "delay", last=4, metric="rows").runs] == [
        *("delay/4", "delay/3", "delay/2", "delay/1")
    ]
    assert of(tried, "delay", last=4).metric == "log_loss"


def test_versions_mean_the_runs_that_made_them(flights: Path) -> None:
    assert [side.name for side in of(flights, "delay:1", "delay:3").runs] == ["delay/1", "delay/5"]
    found = of(flights, "delay@champion", "delay/5")
    assert [one.name for one in found.origins] == ["data flights"]


def test_what_cannot_be_compared(tried: Path) -> None:
    for names, last in (
        (["delay/1"], None),
        (["delay/1", "delay/1"], None),
        (["delay"], 1),
        (["delay/1"], 3),
    ):
        with pytest.raises(NothingToCompare):
            of(tried, *names, last=last)
    with pytest.raises(UnknownRun):
        of(tried, "delay/1", "delay/9")
    with pytest.raises(UnknownVersion):
        of(tried, "delay/1", "delay:9")
    with pytest.raises(BadReference):
        of(tried, "delay/1", "?")
    with pytest.raises(UnknownModel):
        of(tried, "other", last=3)
    with pytest.raises(UnknownMetric, match="they have: auc, brier, log_loss, rows"):
        of(tried, "delay", last=3, metric="f1")


def test_series_in_common_with_a_fan_outs_items_averaged(tried: Path) -> None:
    with stored.opened(tried) as app:
        (chart,) = charts(app, compare(app, ["delay/1", "delay/2"]))
    assert (chart.of, chart.title) == ("score", "valid/auc")
    assert [(line.label, len(line.x), line.y[-1]) for line in chart.lines] == [
        ("delay/1", 20, pytest.approx(0.61)),
        ("delay/2", 20, pytest.approx(0.72)),
    ]


def test_side_by_side_in_a_terminal(tried: Path) -> None:
    lines = comparison_lines(of(tried, "delay/1", "delay/2"))
    assert lines[0].split() == ["delay/1", "delay/2"]
    told = {line.split("  ")[0]: line.split() for line in lines if line}
    assert told["classifier.learning_rate"][1:] == ["0.001", "0.01"]
    assert told["auc (higher is better)"][-3:] == ["0.61", "0.72", "*"]
    assert told["log_loss (lower is better)"][-3:] == ["0.39", "0.28", "*"]
    assert told["rows"][1:] == ["10", "10"]
    assert "version" not in told
    assert lines[-2:] == [
        "1 parameter is alike",
        "no best for brier, rows: no loss or gate says which direction is better",
    ]


def test_one_below_the_other_in_a_terminal(tried: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noria.cli.compared.BESIDE", 3)
    head, *rows = comparison_lines(of(tried, "delay", last=4))
    assert head.split()[:4] == ["run", "state", "commit", "classifier.kind"]
    assert rows[0].split()[:2] == ["delay/4", "failed"]
    assert rows[1].split()[:2] == ["delay/3", "succeeded"]
    assert rows[1].split()[5:7] == ["0.72", "*"]


def test_lines_in_a_terminal(tried: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stored.opened(tried) as app:
        drawn = charts(app, compare(app, ["delay/1", "delay/2"]))
    monkeypatch.setenv("COLUMNS", "60")
    lines = chart_lines(drawn, None)
    assert lines[1] == "valid/auc, score"
    assert any("aa delay/1" in line for line in lines)
    assert any("bbb" in line for line in lines)
    assert all(len(line) <= 60 for line in lines)
    monkeypatch.setattr("noria.cli.compared._installed", lambda: False)
    assert chart_lines(drawn, None)[-1] == "1 series in common: pip install 'noria[figures]' draws them here"
    assert chart_lines([], None) == []


def test_of_a_million_points_a_terminal_is_given_those_that_it_can_show(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import plotext

    given: list[tuple[list[float], list[float]]] = []
    monkeypatch.setattr(plotext, "plot", lambda x, y, **_: given.append((x, y)))
    values = np.zeros(1_000_000)
    values[654_321] = 7.0
    lines = tuple(Line(name, np.arange(len(values)), values) for name in ("one", "two"))
    chart_lines([Chart("loss", lines)], None)
    assert [len(x) < 2000 for x, _ in given] == [True, True]
    assert [(654_321, 7.0) in zip(x, y, strict=True) for x, y in given] == [True, True]


def test_the_page(tried: Path) -> None:
    with stored.opened(tried) as app:
        found = compare(app, ["delay"], last=4, metric="auc")
        html = compare_page(found, charts(app, found), made=stored.START)
    seen = Seen(html)
    assert "script" not in seen.tags
    assert "best auc: 0.72 of delay/3" in seen.text
    assert "auc over what was tried" in seen.text
    assert html.count('class="spot') == 6  # three runs over two parameters
    assert html.count('td class="num best"') == 4
    assert len(re.findall(r"color-mix\(in oklab,var\(--accent\)", html)) == 3
    assert "No best is marked for brier, rows" in seen.text


def test_the_picture(tried: Path) -> None:
    with stored.opened(tried) as app:
        found = compare(app, ["delay"], last=4)
        drawn = picture(found, charts(app, found))
    assert drawn.startswith(b"\x89PNG")
    assert len(drawn) > 10_000


def test_without_any_metric(tmp_path: Path) -> None:
    folder = stored.project(tmp_path / "p")
    with stored.opened(folder) as app:
        for number in range(2):
            add(app, number, {"rate": number}, None)
        found = compare(app, ["delay/1", "delay/2"])
        assert found.metric is None
        assert "rate" in compare_page(found, [], made=stored.START)
        assert picture(found, []).startswith(b"\x89PNG")
        assert comparison_lines(found)[0].split() == ["delay/1", "delay/2"]


def test_five_hundred_runs(tmp_path: Path) -> None:
    folder = stored.project(tmp_path / "p")
    (folder / "noria.toml").write_text(stored.TOML + GATES)
    with stored.opened(folder) as app:
        asked = stored.asked(app, 1, 0.1, at=stored.START)
        for number in range(500):
            wanted = msgspec.structs.replace(asked, parameters={"s": {"rate": number, "name": f"n{number}"}})
            run = app.records.ledger.begin(wanted, at=stored.START)
            outcome = Succeeded(metrics={"auc": number / 1000})
            ended = RunFinished(
                model="delay", run=run.number, finished=stored.START, outcome=outcome, steps=()
            )
            app.records.ledger.append("delay", [ended], at=stored.START)
    compared = noria.runs("delay", project=folder).compare(metric="auc")
    assert compared.record.runs[0].name == "delay/500"
    assert compared.html.count('class="spot') == 500  # the name has too many values to be drawn over
    assert compared.table().height == 500
    assert len(comparison_lines(compared.record)) == 501


def test_in_a_notebook(tried: Path, tmp_path: Path) -> None:
    runs = noria.runs("delay", project=tried)
    compared = runs.compare([1, "delay/2", runs[3]])
    assert compared.table()["name"].to_list() == ["delay/1", "delay/2", "delay/3"]
    assert compared.table()["classifier.learning_rate"].to_list() == [0.001, 0.01, 0.1]
    assert len(runs.where(state="succeeded").compare().record.runs) == 3
    assert "delay/2" in Seen(compared._repr_html_()).text
    assert repr(compared) == "<3 runs compared: 2 parameters differ>"
    assert compared.save(tmp_path / "c.html").read_text() == compared.html
    assert compared.save(tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UnknownForm):
        compared.save(tmp_path / "c.pdf")
    with pytest.raises(OutputRefused):
        compared.save(tmp_path / "none" / "c.html")
