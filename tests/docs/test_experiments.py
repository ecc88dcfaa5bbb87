"""What docs/experiments.md shows runs as it stands there, from its first line to its last."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from e2e.project import Project

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "experiments.md").read_text()
BLOCKS = re.findall(r"^```(python|toml|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("lightgbm", "sklearn", "matplotlib", "optuna"):
        pytest.importorskip(package, reason="pip install 'noria[lightgbm,sklearn,figures,tune]'")
    project = Project(tmp_path)
    project.git("init", "--quiet", "--initial-branch=main")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    printed: dict[str, str] = {}
    for number, (kind, text) in enumerate(BLOCKS):
        if named := re.match(r"# (pipeline\.py|noria\.toml)\n", text):
            project.write(named[1], text)
            project.commit(f"Write {named[1]}")
        elif kind == "sh":
            for line in text.replace("\\\n", " ").splitlines():
                words = shlex.split(line)
                assert words[0] == "noria"
                printed[words[1]] = project.noria(*words[1:]).stdout
        else:
            exec(compile(text, f"docs/experiments.md block {number}", "exec"), names)
    assert names["run"].series.names == ["loss", "valid/auc"] or names["run"].series.names == [
        "valid/auc",
        "loss",
    ]
    assert names["run"].series["valid/auc"].height == 40
    card = (tmp_path / "card.html").read_text()
    assert all(f"<b>{title}</b>" in card for title in ("Answers", "Some rows", "In short"))
    assert names["table"].height == 6
    assert names["best"] in printed["tune"]
    assert printed["tune"].splitlines()[-1].startswith("next: noria run tumour --set classifier.trees=20 ")
    assert "All parameters" in (tmp_path / "tried.html").read_text()


def test_no_block_is_left_out() -> None:
    assert PAGE.count("```") == 2 * len(BLOCKS) == 14
