"""What steps log and show, through a kill of their worker and on a card that people look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import noria
from e2e.browser import browser, page_of
from e2e.project import Project

POINTS = 100_000
LONG = """
import os, signal

import noria

long = noria.Pipeline("long")


def logged(first, last):
    for number in range(first, last):
        noria.log(loss=1.0 / (1 + number), step=number)


@long.step(retries=noria.Retry(lost=0))
def whole():
    logged(0, 100_000)
    if not os.path.exists("again"):
        open("again", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return 1


@long.step
def halves(whole):
    kept = noria.checkpoint()
    done = kept.load(default=0)
    if not done:
        logged(0, 50_000)
        kept.save(50_000)
        noria.log(loss=-1.0, step=0)  # after the checkpoint: whoever goes on would log it again
        os.kill(os.getpid(), signal.SIGKILL)
    logged(done, 100_000)
    return 1
"""
SHOWN = """
import altair as alt
import matplotlib.figure
import noria
import plotly.graph_objects as go
import polars as pl

seen = noria.Pipeline("seen")


@seen.report
def pictures():
    drawn = matplotlib.figure.Figure(figsize=(4, 2))
    drawn.add_subplot().plot([1, 3, 2])
    noria.show(drawn, title="By matplotlib")
    noria.show(go.Figure(go.Bar(x=["a", "b"], y=[3, 1])), title="By plotly")
    rows = pl.DataFrame({"a": [1, 2, 3], "b": [3, 1, 2]})
    noria.show(alt.Chart(rows).mark_bar().encode(x="a:O", y="b:Q"), title="By altair")
    noria.show(rows, title="By polars")
    noria.show("Some **words**.", title="By hand")
"""


@pytest.mark.slow
def test_a_killed_worker_loses_none_of_a_hundred_thousand_points(
    make_project: Callable[..., Project],
) -> None:
    """Not without a second attempt, and with one that goes on from a checkpoint each point is there once."""
    project = make_project(LONG, '[model.long]\npipeline = "pipeline:long"\n')
    project.write(".gitignore", "again\n")
    project.noria("run", exit=1)
    killed = noria.runs("long", project=project.folder)[1]
    assert killed.state == "failed"
    found = killed.series["loss"]
    assert found["at_step"].to_list() == list(range(POINTS))
    assert found["value"].to_list() == [1.0 / (1 + number) for number in range(POINTS)]
    project.noria("run")
    for _, points in noria.runs("long", project=project.folder).latest.series["loss"].group_by("step"):
        assert points["at_step"].to_list() == list(range(POINTS))
        assert points["value"].min() > 0  # type: ignore[operator]


def test_figures_of_every_library_on_a_card(make_project: Callable[..., Project], tmp_path: Path) -> None:
    """Drawn by the libraries' own scripts, which are in the page: it asks nobody for anything."""
    for package in ("matplotlib", "plotly", "altair", "vl_convert"):
        pytest.importorskip(
            package, reason=f"pip install {package.replace('vl_convert', 'vl-convert-python')}"
        )
    project = make_project(SHOWN, '[model.seen]\npipeline = "pipeline:seen"\n')
    project.noria("run")
    project.noria("card", "seen/last", "--output", str(tmp_path / "card.html"))
    with browser() as opened, page_of(opened, tmp_path / "card.html") as card:
        page = card.page
        assert page.locator("figcaption b").all_text_contents() == [
            *("By matplotlib", "By plotly", "By altair", "By polars", "By hand")
        ]
        drawn = page.locator('img[alt="By matplotlib"]')
        assert drawn.evaluate("image => image.naturalWidth") == 400
        for title, mark in (("By plotly", ".bars path"), ("By altair", "canvas, svg")):
            page.locator(f'iframe[title="{title}"]').scroll_into_view_if_needed()
            page.frame_locator(f'iframe[title="{title}"]').locator(mark).first.wait_for(state="visible")
        assert page.get_by_text("3 rows of 2 columns").is_visible()
        assert page.locator("strong").text_content() == "words"
        assert (card.asked, card.told) == ([], [])
