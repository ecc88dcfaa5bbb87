"""`noria.show`: what is kept of figures, tables and text, and what is refused."""

from __future__ import annotations

import base64
import sys
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import noria
from noria.artifacts import Artifacts
from noria.inside.card import CannotShow, NeedsLibrary
from unit.inside.conftest import Step

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def kept(step: Step, artifacts: Artifacts, thing: Any, **more: Any) -> tuple[str, Any]:
    """The kind and the stored value of one thing that was shown."""
    with step() as inside:
        noria.show(thing, **more)
    (exhibit,) = inside.exhibits
    value = artifacts.load(exhibit.artifact)
    return exhibit.kind, value


def test_a_matplotlib_figure_or_its_axes(step: Step, artifacts: Artifacts) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="pip install 'noria[figures]'").Figure()
    axes = figure.add_subplot()
    axes.plot([1, 3, 2])
    kind, drawn = kept(step, artifacts, figure)
    assert kind == "image" and drawn.startswith(b"\x89PNG") and len(drawn) > 2000
    assert kept(step, artifacts, axes) == ("image", drawn)


def test_a_plotly_figure_is_a_page_with_the_packages_own_script(step: Step, artifacts: Artifacts) -> None:
    graph = pytest.importorskip("plotly.graph_objects", reason="pip install plotly")
    kind, page = kept(step, artifacts, graph.Figure(graph.Bar(x=["a"], y=[3])))
    assert kind == "page" and page.lstrip().lower().startswith((b"<!doctype html", b"<html"))
    assert len(page) > 1_000_000, "the library is inside"
    assert b"<script src=" not in page
    assert kept(step, artifacts, graph.Figure(graph.Bar(x=["a"], y=[3])))[1] == page, (
        "same figure, same bytes"
    )


def test_an_altair_chart_is_a_page_that_needs_no_network(step: Step, artifacts: Artifacts) -> None:
    altair = pytest.importorskip("altair", reason="pip install altair")
    pytest.importorskip("vl_convert", reason="pip install vl-convert-python")
    chart = altair.Chart(pl.DataFrame({"a": [1, 2], "b": [3, 4]})).mark_line().encode(x="a:Q", y="b:Q")
    kind, page = kept(step, artifacts, chart)
    assert kind == "page" and b"<script src=" not in page and len(page) > 500_000


def test_altair_without_what_makes_a_page_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    altair = pytest.importorskip("altair", reason="pip install altair")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(NeedsLibrary, match="vl-convert-python"):
        noria.show(altair.Chart(pl.DataFrame({"a": [1]})).mark_point().encode(x="a:Q"))


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table, lambda data: pl.LazyFrame(data)])
def test_tables_of_every_library(step: Step, artifacts: Artifacts, make: Any) -> None:
    with step() as inside:
        noria.show(make({"a": [1, 2], "b": ["x", "y"]}), title="Rows")
    (exhibit,) = inside.exhibits
    assert (exhibit.kind, exhibit.title) == ("table", "Rows")
    assert artifacts.table(exhibit.artifact).select(["a", "b"]).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_text_and_png(step: Step, artifacts: Artifacts) -> None:
    assert kept(step, artifacts, "Some **text**, größer als 🌊") == ("text", "Some **text**, größer als 🌊")
    assert kept(step, artifacts, PNG) == ("image", PNG)


class Page:
    def _repr_html_(self) -> str:
        return "<b>mine</b>"


class Mute:
    def _repr_html_(self) -> None:
        return None


def test_what_shows_itself_in_a_notebook(step: Step, artifacts: Artifacts) -> None:
    assert kept(step, artifacts, Page()) == ("page", b"<b>mine</b>")


def test_in_the_order_of_the_calls(step: Step) -> None:
    with step() as inside:
        for title in ("first", "second", "first"):
            noria.show("text", title=title)
    assert [exhibit.title for exhibit in inside.exhibits] == ["first", "second", "first"]


@pytest.mark.parametrize(
    "thing", [None, 3, 0.5, [1], {"a": 1}, b"GIF", b"", object(), Mute(), Page, lambda: 1, pl, ...]
)
def test_what_cannot_be_shown_is_refused_in_and_out_of_a_run(step: Step, thing: Any) -> None:
    with pytest.raises(CannotShow, match="cannot put a"):
        noria.show(thing)
    with step() as inside:
        with pytest.raises(CannotShow) as caught:
            noria.show(thing)
        assert inside.exhibits == []
    assert "matplotlib, plotly, altair" in caught.value.advice()


def test_outside_of_a_run_nothing_is_kept(step: Step) -> None:
    with step() as inside:
        pass
    noria.show("text")
    assert inside.exhibits == []
