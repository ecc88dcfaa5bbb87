"""A notebook's view of a real project: from another folder, beside a run under way, and in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import noria
from e2e.browser import browser, page_of
from e2e.project import FIRST, PIPELINE, Project
from noria.client.errors import AnswerFailed

WATCHED = PIPELINE.replace(
    "@demand.predict",
    '''
@demand.step
def folds(train: pl.DataFrame) -> list[int]:
    return [1, 2, 3]


@demand.step
def score(folds: noria.Each[int]) -> dict[str, float]:
    noria.log(error=1.0 / folds, step=0)
    return {"fold": folds, "error": 1.0 / folds}


@demand.step(codec="pickle")
def loose(train: pl.DataFrame) -> object:
    return {"pickled": True}


@demand.step
def slow(train: pl.DataFrame, *, patience: float = 60.0) -> int:
    """Logs, then waits until somebody makes the file `go`."""
    import os, time

    print("waiting")
    for epoch in range(5):
        noria.log(loss=1 / (1 + epoch), step=epoch)
    noria.show("Waited **long**.", title="Words")
    noria.show(EVIL, title="A page")
    until = time.monotonic() + patience
    while not os.path.exists("go") and time.monotonic() < until:
        time.sleep(0.02)
    return 1


@demand.report
def page(model: np.ndarray) -> Path:
    path = Path("report.html")
    path.write_text("<html><body>weights</body></html>")
    return path


@demand.predict''',
).replace(
    "import noria\n",
    """from pathlib import Path

import noria


class Evil:
    def _repr_html_(self):
        return Path("evil.html").read_text()


EVIL = Evil()
""",
)
EVIL = """<!doctype html><p id=own>before</p><script>
document.getElementById("own").textContent = "drawn by its own script";
try { parent.document.title = "taken over"; } catch (error) {}
try { alert("evil"); } catch (error) {}
fetch("http://127.0.0.1:%d/fetched").catch(() => {});
new Image().src = "http://127.0.0.1:%d/loaded";
</script><img src="http://127.0.0.1:%d/drawn">"""


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[int, list[str]]]:
    """A server that a page must not reach, and what it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, paths
    server.shutdown()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, asked: tuple[int, list[str]]) -> Project:
    """A project in which one run has succeeded."""
    project = Project(tmp_path_factory.mktemp("watched"))
    project.write("pipeline.py", WATCHED)
    project.write("noria.toml", '[model.demand]\npipeline = "pipeline:demand"\n')
    project.write(".gitignore", "go\nreport.html\nevil.html\n")
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First")
    project.write("evil.html", EVIL % ((asked[0],) * 3))
    project.write("go", "")
    project.noria("run", "--as-of", FIRST)
    return project


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_a_run_made_comes_back(
    watched: Project, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORIA_PROJECT", str(watched.folder))
    run = noria.runs("demand").latest
    assert isinstance(run["model"], np.ndarray)
    assert run["model"][1] == pytest.approx(2.0, abs=0.1)
    assert isinstance(run["train"], pl.DataFrame)
    assert run["score"][2] == {"fold": 3, "error": pytest.approx(1 / 3)}
    assert run["page"].read_text() == "<html><body>weights</body></html>"
    assert run.artifact("loose").load(unsafe=True) == {"pickled": True}
    assert run.metrics["r2"] > 0.5
    assert run.log("slow") == "waiting\n"
    assert run.series["loss"]["value"].to_list() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert sorted(run.series["error"]["step"]) == ["score[0]", "score[1]", "score[2]"]
    assert run.steps["score"].items == 3
    assert list(elsewhere.iterdir()) == []


def test_the_champion_answers_with_its_own_code(watched: Project, elsewhere: Path) -> None:
    version = noria.versions(project=watched.folder).champion
    rows = version.run["days"]
    answers = version.predict(rows.head(50))
    assert answers.columns == ["answer"]
    assert (answers["answer"] - rows["sold"].head(50)).abs().mean() < 2  # type: ignore[operator]
    assert version.predict(rows.head(50).to_pandas()).equals(answers)
    assert version.predict(rows.head(50).drop("sold", "returned", "counted")).equals(answers)
    assert list(elsewhere.iterdir()) == []


def test_its_code_of_then_answers_not_that_of_today(watched: Project, elsewhere: Path) -> None:
    version = noria.versions(project=watched.folder).champion
    rows = version.run["days"].head(3)
    before = version.predict(rows)
    kept = (watched.folder / "pipeline.py").read_text()
    watched.write("pipeline.py", "raise SystemExit('broken today')")
    try:
        assert version.predict(rows).equals(before)
    finally:
        watched.write("pipeline.py", kept)


def test_rows_that_it_cannot_answer(watched: Project, elsewhere: Path) -> None:
    version = noria.versions(project=watched.folder).champion
    rows = version.run["days"].head(3)
    with pytest.raises(AnswerFailed, match="has no column warm"):
        version.predict(rows.drop("warm"))
    with pytest.raises(
        AnswerFailed, match=r"InvalidOperationError(.|\n)*File \"pipeline.py\", line \d+, in features"
    ):
        version.predict(rows.with_columns(warm=pl.col("shop")))


def test_a_run_under_way(watched: Project, elsewhere: Path) -> None:
    """Its state, its series and its outputs so far are there while it runs, and it is not held up."""
    (watched.folder / "go").unlink()
    process = watched.start("run", "--as-of", "2024-02-12T00:00:00Z")
    try:
        runs = noria.runs("demand", project=watched.folder)
        until(lambda: len(runs) == 2 and len(runs[2].series["loss"]) == 5, process)
        run = runs[2]
        assert run.state == "running"
        assert run.seconds is None
        assert runs.latest.number == 1
        assert isinstance(run["days"], pl.DataFrame)
        assert "slow" not in run.outputs
        assert "running" in run.card.html
    finally:
        watched.write("go", "")
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    assert run.state == "succeeded"
    assert run["slow"] == 1
    assert runs.latest == run
    assert len(run.series["loss"]) == 5


def until(seen: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look until it is so; fails when the run ends before."""
    while not seen():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_a_script_without_a_project(tmp_path: Path) -> None:
    """A plain interpreter shows the error's sentence and what to do next."""
    environment = {name: value for name, value in os.environ.items() if name != "NORIA_PROJECT"}
    done = subprocess.run(
        [sys.executable, "-c", "import noria; noria.runs()"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "NoProject: there is no noria.toml" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("next: ")


def test_a_card_in_a_browser(watched: Project, elsewhere: Path, asked: tuple[int, list[str]]) -> None:
    """It asks nobody for anything, fits a phone, and keeps what it shows from reaching out."""
    run = noria.runs("demand", project=watched.folder)[1]
    watched.noria("card", "demand/1", "--output", str(elsewhere / "card.html"))
    (elsewhere / "cell.html").write_text(f"<!doctype html><p>cell</p>{run.card._repr_html_()}")
    with browser() as opened:
        with page_of(opened, elsewhere / "card.html") as card:
            assert card.page.title() == "demand/1 · succeeded"
            shown = card.page.frame_locator('iframe[title="A page"]').locator("#own")
            assert shown.text_content() == "drawn by its own script"
            assert card.page.get_by_role("heading", name="Series").is_visible()
            assert card.page.locator("figure.chart svg").count() == 2
            assert card.told == []
        for scheme in ("light", "dark"):
            with page_of(opened, elsewhere / "card.html", width=390, scheme=scheme) as phone:  # type: ignore[arg-type]
                assert phone.width <= 390
        with page_of(opened, elsewhere / "cell.html") as cell:
            inner = cell.page.frame_locator("iframe").frame_locator('iframe[title="A page"]').locator("#own")
            assert inner.text_content() == "drawn by its own script"
    assert asked[1] == []
