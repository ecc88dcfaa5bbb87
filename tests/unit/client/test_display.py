"""What a notebook shows: small pieces of HTML in which nothing of a user's is obeyed, and lines for a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

import noria
from noria.errors import render
from unit.client.test_pages import Seen
from unit.client.worked import NASTY


@pytest.fixture
def shown(flights: Path) -> dict[str, object]:
    runs, versions = noria.runs("delay", project=flights), noria.versions("delay", project=flights)
    run = runs.latest
    return {
        "runs": runs,
        "run": run,
        "failed": runs[6],
        "steps": run.steps,
        "step": run.steps["classifier"],
        "series": run.series,
        "no series": runs[1].series,
        "versions": versions,
        "version": versions[3],
        "comparison": runs[:3].compare(),
    }


NAMES = ["runs", "run", "failed", "steps", "step", "series", "no series", "versions", "version", "comparison"]


@pytest.mark.parametrize("name", NAMES)
def test_html_is_small_and_obeys_nobody(shown: dict[str, object], name: str) -> None:
    html = shown[name]._repr_html_()  # type: ignore[attr-defined]
    seen = Seen(html)
    assert "script" not in seen.tags
    assert "http" not in html
    assert len(html) < 60_000
    assert not [attribute for attribute in seen.attributes if attribute.startswith("on")]


@pytest.mark.parametrize("name", NAMES)
def test_a_terminal_gets_text(shown: dict[str, object], name: str) -> None:
    text = repr(shown[name])
    assert text.startswith("<")
    assert all(len(line) < 250 for line in text.splitlines())


def test_what_stands_where(shown: dict[str, object]) -> None:
    def text(name: str) -> str:
        return Seen(shown[name]._repr_html_()).text  # type: ignore[attr-defined]

    assert "delay/5" in text("runs")
    assert "0.74" in text("runs")
    assert "classifier.learning_rate = 0.1" in text("run")
    assert f"ValueError: {NASTY}" in text("failed")
    assert "code changed" in text("step")
    assert "learning_rate" in text("series")
    assert "has logged nothing" in text("no series")
    assert "champion" in text("versions")
    assert "not shown to be within" in text("version")


def test_lines(shown: dict[str, object]) -> None:
    assert (
        repr(shown["run"])
        == "<delay/5 succeeded 2025-03-02 09:00:00Z, 15.0 s, delay:3, auc 0.74, log_loss 0.5>"
    )
    assert repr(shown["step"]) == "<classifier (step) ran: code changed, 9.00 s: classifier numpy.ndarray>"
    assert repr(shown["version"]) == (
        "<delay:3 of 2025-03-02 09:00:00Z, gates not passed, auc 0.74, log_loss 0.5>"
    )
    assert repr(shown["series"]).startswith("<series of delay/5: 300 points of train/loss, valid/loss")


def test_an_error_in_a_notebook_is_its_sentence_and_the_next_step(flights: Path) -> None:
    with pytest.raises(Exception) as raised:  # its form is the matter here
        noria.runs(project=flights)["delay/99"]
    shown = raised.value._render_traceback_()  # type: ignore[attr-defined]
    assert shown == ["error[RUN-UNKNOWN]: there is no run delay/99", "  next:  noria runs"]
    assert "\n".join(shown) == render(raised.value)  # type: ignore[arg-type]
