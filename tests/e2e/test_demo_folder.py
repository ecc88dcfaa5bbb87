"""The demo replaces what it made itself, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from noria.replay.demo import NotTheDemos, main, make_project

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_users_project_in_the_way_is_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "flights"
    (mine / ".noria").mkdir(parents=True)
    for name in ("noria.toml", "pipeline.py", ".noria/noria.db"):
        (mine / name).write_text("mine")
    code = main(["flights", "--examples", str(EXAMPLES), "--folder", str(tmp_path)])
    said = capsys.readouterr().err
    assert code == 2
    assert "error[DEMO-FOLDER]" in said
    assert str(mine) in said
    assert "--folder" in said
    files = {str(path.relative_to(mine)) for path in mine.rglob("*") if path.is_file()}
    assert files == {"noria.toml", "pipeline.py", ".noria/noria.db"}
    assert (mine / "noria.toml").read_text() == "mine"


def test_a_file_or_a_link_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    make_project(EXAMPLES / "sklearn", tmp_path / "demo")
    (tmp_path / "link").symlink_to(tmp_path / "demo")
    for name in ("file", "link"):
        with pytest.raises(NotTheDemos):
            make_project(EXAMPLES / "sklearn", tmp_path / name)
    assert (tmp_path / "demo" / "pipeline.py").exists()


def test_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()  # an empty one may be there
    make_project(EXAMPLES / "sklearn", folder)
    (folder / "of-the-last-time").write_text("")
    made = make_project(EXAMPLES / "sklearn", folder)
    assert made == folder.resolve()
    assert not (folder / "of-the-last-time").exists()
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    left = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    assert left.stdout == "", "all is committed, and the marker is none of git's business"


def test_an_example_that_is_not_there_is_told_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["flights", "--examples", str(tmp_path / "nowhere"), "--folder", str(tmp_path / "demo")])
    assert code == 3
    assert "error[DEMO-EXAMPLE]" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
