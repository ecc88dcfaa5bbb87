"""What docs/notebook.md shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from e2e.project import Project

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notebook.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
STEPS, EXAMPLES = BLOCKS[0], BLOCKS[1:]


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project that the page is about, after two runs."""
    pytest.importorskip(
        "sklearn", reason="the page's project trains with scikit-learn: pip install 'noria[sklearn]'"
    )
    folder = tmp_path_factory.mktemp("parcels")
    project = Project(folder)
    project.noria("init", "--name", "delay")
    kept = (folder / "pipeline.py").read_text()
    head, mark, predict = kept.partition("@delay.predict")
    project.write("pipeline.py", f"{head}{STEPS}\n\n{mark}{predict}")
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("Begin")
    project.noria("run", "--as-of", "2025-03-01T12:00Z")
    project.noria("run", "--as-of", "2025-03-01T12:00Z", "--set", "classifier.learning_rate=0.05", exit=None)
    return project


def test_every_block_is_an_example_or_the_pipeline() -> None:
    assert STEPS.startswith("# pipeline.py\n")
    assert len(EXAMPLES) == 5
    assert "```python" not in re.sub(r"^```python\n.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.soak
def test_the_page_runs_from_its_first_line_to_its_last(
    parcels: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks = parcels.folder / "notebooks"
    notebooks.mkdir()
    monkeypatch.chdir(notebooks)
    names: dict[str, Any] = {}
    for number, example in enumerate(EXAMPLES):
        exec(compile(example, f"docs/notebook.md block {number}", "exec"), names)
    assert type(names["model"]).__name__ == "HistGradientBoostingClassifier"
    assert names["third"] == {"rate": 0.2, "loss": pytest.approx(0.2)}
    assert len(names["runs"]) == names["table"].height == 2
    assert [run.number for run in names["slow"]] == [2]
    assert [run.number for run in names["failed"]] == []
    assert names["points"].height == 60
    assert names["answers"].height == 100
    assert names["answers"]["answer"].is_between(0, 1).all()
    assert names["compared"].table()["classifier.learning_rate"].to_list() == [0.1, 0.05]
    assert sorted(path.name for path in notebooks.iterdir()) == ["card.html", "compared.html"]
