"""`noria compare` and `noria card` as their user sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.browser import browser, page_of
from e2e.project import FIRST, PIPELINE, POLICY, Project

LOGGED = PIPELINE.replace(
    "    return weights\n",
    "    assert recent_days > 0\n    for epoch in range(10):\n        noria.log(fit=recent_days / (1 + epoch), step=epoch)\n    return weights\n",
)


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Three runs with other hyperparameters, and one that failed."""
    project = Project(tmp_path_factory.mktemp("tried"))
    project.write("pipeline.py", LOGGED)
    project.write("noria.toml", POLICY)
    project.git("init", "--quiet", "--initial-branch=main")
    project.commit("First")
    for days in (5, 10, 20):
        project.noria("run", "--as-of", FIRST, "--set", f"model.recent_days={days}", exit=None)
    project.noria("run", "--as-of", FIRST, "--set", "model.recent_days=-900", exit=1)
    return project


def test_runs_side_by_side(tried: Project) -> None:
    lines = tried.noria("compare", "demand/1", "demand/3").stdout.splitlines()
    assert lines[0].split() == ["demand/1", "demand/3"]
    (settings,) = [line.split() for line in lines if line.startswith("model.recent_days")]
    assert settings[1:] == ["5", "20"]
    assert not [line for line in lines if line.startswith(("features.scale", "seed", "data days"))]
    (error,) = [line for line in lines if line.startswith("error (lower is better)")]
    assert error.count("*") == 1
    assert "fit, model" in lines
    assert any("aa demand/1" in line for line in lines)


def test_the_newest_of_a_model_for_a_script(tried: Project) -> None:
    found = tried.json("compare", "demand", "--last", "4", "--metric", "error")
    names = [side["name"] for side in found["runs"]]
    assert names[-1] == "demand/4"
    measures = {one["name"]: one for one in found["metrics"]}
    errors = measures["error"]["values"]
    assert errors[:3] == sorted(errors[:3])
    assert errors[3] is None
    assert measures["error"]["best"] == [0]
    assert measures["r2"]["better"] == "higher"
    assert found["parameters"] == [
        {
            "name": "model.recent_days",
            "values": [{1: 5, 2: 10, 3: 20, 4: -900}[int(name[-1])] for name in names],
        }
    ]


def test_a_page_and_a_picture(tried: Project, tmp_path: Path) -> None:
    page, drawn = tmp_path / "tried.html", tmp_path / "tried.png"
    done = tried.noria("compare", "demand", "--output", str(page))
    assert done.stdout == f"{page}\n"
    tried.noria("compare", "demand", "--metric", "r2", "--output", str(drawn))
    assert drawn.read_bytes().startswith(b"\x89PNG")
    with browser() as opened, page_of(opened, page, width=390) as phone:
        assert phone.page.title() == "demand: 4 runs"
        assert phone.page.locator("circle.spot").count() == 3
        assert phone.page.locator("table tbody tr").count() == 4
        assert phone.width <= 390
        assert (phone.asked, phone.told) == ([], [])


@pytest.mark.parametrize(
    ("words", "code", "exit"),
    [
        (("demand/1",), "COMPARE-NOTHING", 2),
        (("demand/1", "demand/9"), "RUN-UNKNOWN", 3),
        (("demand", "--metric", "f1"), "METRIC-UNKNOWN", 3),
        (("demand", "--output", "tried.pdf"), "OUTPUT-FORM", 2),
        (("demand", "--output", "none/tried.html"), "OUTPUT-REFUSED", 2),
        (("demand", "--last", "0"), "USAGE", 2),
        (("nope",), "MODEL-UNKNOWN", 3),
        ((), "USAGE", 2),
    ],
)
def test_what_cannot_be_compared(tried: Project, words: tuple[str, ...], code: str, exit: int) -> None:
    done = tried.noria("compare", *words, exit=exit)
    assert f"error[{code}]" in done.stderr
    assert done.stdout == ""


def test_a_card_goes_where_it_is_told(tried: Project, tmp_path: Path) -> None:
    assert tried.noria("card", "demand/last").stdout == "demand-4.html\n"
    card = (tried.folder / "demand-4.html").read_text()
    (tried.folder / "demand-4.html").unlink()
    assert "Failed in model" in card
    assert "<h1>demand/1</h1>" in tried.noria("card", "demand/1", "--output", "-").stdout
    assert "error[RUN-UNKNOWN]" in tried.noria("card", "demand/9", exit=3).stderr
    assert (
        "error[OUTPUT-REFUSED]" in tried.noria("card", "demand/1", "--output", "none/c.html", exit=2).stderr
    )


def test_looking_at_nothing_makes_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("noria.toml", POLICY)
    for words in (("card", "demand/1"), ("compare", "demand")):
        assert "error[RECORDS-NONE]" in project.noria(*words, exit=3).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["noria.toml"]
