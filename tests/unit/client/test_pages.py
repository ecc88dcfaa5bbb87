"""Markup, axes and lines."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from noria.adapters.folder import FolderStore
from noria.app.pages.axes import DAY, Axis, axis_of_dates, axis_over
from noria.app.pages.exhibits import Hall, Shown, text
from noria.app.pages.html import Html, escape, join, tag
from noria.app.pages.lines import Chart, Line, line_chart, thinned
from noria.app.pages.scatter import scale_of, scatter
from noria.app.pages.style import frame, page
from noria.app.pages.tables import settings, table
from noria.artifacts import Artifacts

FINITE = some.floats(allow_nan=False, allow_infinity=False, width=64)


class Seen(HTMLParser):
    """The elements and the text that a browser would see."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(some.text(), some.text())
def test_text_stays_text(inner: str, attribute: str) -> None:
    seen = Seen(tag("p", inner, title=attribute))
    assert seen.tags == ["p"]
    assert set(seen.attributes) == {"title"}
    plain = "".join(letter for letter in inner if letter >= " " or letter in "\n\t\r")
    assert seen.text.replace("�", "").replace("\r", "") == Seen(escape(plain)).text.replace("�", "").replace(
        "\r", ""
    )


def test_what_is_left_out_and_what_stands_alone() -> None:
    assert (
        tag("iframe", None, sandbox="", hidden=True, open=False, width=None)
        == '<iframe sandbox="" hidden></iframe>'
    )
    assert tag("br") == "<br>"
    assert tag("path", d="M0 0", stroke_width=2) == '<path d="M0 0" stroke-width="2"/>'
    assert join(["a<", Html("<b>"), [1, iter("x")], None]) == "a&lt;<b>1x"
    assert escape("a\x00b\ud800") == "a�b�"


def test_a_frame_holds_its_document_as_an_attribute() -> None:
    document = "<script>\"&quot;'</script>"
    seen = Seen(frame(document, title="<t>"))
    assert seen.tags == ["iframe"]
    assert seen.attributes["srcdoc"] == document
    assert seen.attributes["sandbox"] == "allow-scripts"


def test_a_page_reaches_nothing_outside() -> None:
    still = unescape(page("t", tag("p", "x")))
    assert "default-src 'none'" in still
    assert "script-src" not in still
    assert "script-src 'unsafe-inline'" in unescape(page("t", scripts=True))
    assert "http" not in re.sub(r"http-equiv", "", still)


@given(some.lists(FINITE, min_size=1, max_size=30), some.booleans())
@example([5e-324], False)
@example([-5e-324, 5e-324], True)
def test_an_axis_holds_every_value(values: list[float], steep: bool) -> None:
    within = [value for value in values if abs(value) < 1e300] or [1.0]
    axis = axis_over(np.array(within), steep=1e3 if steep else None)
    assert all(-1e-9 <= axis.share(value) <= 1 + 1e-9 for value in within)
    ticks = list(axis.ticks())
    assert len(ticks) <= 12
    assert all(-1e-6 <= axis.share(value) <= 1 + 1e-6 for value, _ in ticks)
    assert [value for value, _ in ticks] == sorted(value for value, _ in ticks)


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.51, 0.74, ["0.55", "0.60", "0.65", "0.70"]),
        (0.0, 120000.0, ["0", "50,000", "100,000"]),
        (0.0, 5e-9, ["0", "1e-09", "2e-09", "3e-09", "4e-09", "5e-09"]),
    ],
)
def test_ticks_are_round(low: float, high: float, texts: list[str]) -> None:
    assert [text for _, text in Axis(low, high).ticks()] == texts


def test_ticks_of_a_logarithmic_axis() -> None:
    assert [text for _, text in Axis(1e-5, 1.0, log=True).ticks()] == [
        "1e-05",
        "0.0001",
        "0.001",
        "0.01",
        "0.1",
        "1",
    ]
    assert [text for _, text in Axis(0.002, 0.09, log=True).ticks()] == [
        "0.002",
        "0.005",
        "0.01",
        "0.02",
        "0.05",
    ]


def test_whole_numbers_have_whole_ticks() -> None:
    assert [text for _, text in Axis(0, 2, whole=True).ticks()] == ["0", "1", "2"]


def chart(*values: list[float]) -> str:
    lines = tuple(Line(f"line {n}", np.arange(len(one)), np.array(one)) for n, one in enumerate(values))
    return line_chart(Chart("loss <x>", lines))


def test_a_line_is_broken_where_it_is_not_finite() -> None:
    drawn = chart([1.0, 2.0, float("nan"), 3.0, float("inf"), 4.0, 5.0])
    paths = re.findall(r'<path d="([^"]+)"', drawn)
    assert len(paths) == 1
    assert paths[0].count("M") == 3
    assert drawn.count("<circle") == 1  # 3.0 stands alone
    assert "2 values are not finite" in drawn
    assert "nan" not in paths[0]
    assert "loss &lt;x&gt;" in drawn


def test_nothing_finite_is_said() -> None:
    assert "no finite value" in chart([float("nan"), float("inf")])
    assert "no finite value" in line_chart(Chart("loss", (Line("", np.array([]), np.array([])),)))


@pytest.mark.parametrize(
    "values", [[1.0], [0.0, 0.0], [1e308, -1e308], [5e-324, 1.0], [1e-300, 1e300], [3.0, 3.0]]
)
def test_odd_values_are_drawn(values: list[float]) -> None:
    assert "nan" not in chart(values).replace("finite", "")


def test_a_legend_names_lines_as_long_as_one_can_tell_them_apart() -> None:
    few = chart(*([1.0, 2.0] for _ in range(8)))
    assert few.count('class="key') == 8
    many = chart(*([1.0, 2.0] for _ in range(30)))
    assert "30 lines: line 0, line 1" in many
    assert many.count("line many") == 30


def test_of_many_lines_the_best_is_told_apart_and_lies_on_top() -> None:
    lines = tuple(Line(f"delay/{n}", np.arange(2), np.array([1.0, n])) for n in range(30))
    drawn = line_chart(Chart("loss", lines, best="delay/3"))
    assert (drawn.count("line many"), drawn.count("line best")) == (29, 1)
    assert drawn.index("line best") > drawn.rindex("line many")
    assert "delay/3 <b>3</b>" in drawn and "and 29 more lines: delay/0, delay/1" in drawn
    few = line_chart(Chart("loss", lines[:4], best="delay/3"))
    assert "line best" not in few, "each has its colour already"


def test_fractions_are_short_unless_two_would_look_alike() -> None:
    assert settings([0.07768811685516967, 0.5, None, 3]) == ["0.077688", "0.5", "", "3"]
    assert settings([0.1, 0.10000001]) == ["0.1", "0.10000001"]
    assert settings([0.5, 0.5, "a", True, None], "-") == ["0.5", "0.5", "a", "true", "-"]


def test_a_rate_stands_by_its_order_of_magnitude_and_a_count_does_not() -> None:
    rates, counts = scale_of([0.01, 0.1, 0.2]), scale_of([1, 10, 20])
    assert rates is not None and counts is not None
    assert rates.places[1] == pytest.approx(0.77, abs=0.01)
    assert counts.places[1] == pytest.approx(9 / 19)


def test_a_million_points_keep_their_peaks() -> None:
    y = np.zeros(1_000_000)
    y[345_678], y[900_000] = 7.0, -3.0
    x, kept = thinned(np.arange(len(y)), y)
    assert len(x) < 2_000
    assert (kept.max(), kept.min()) == (7.0, -3.0)
    assert list(x) == sorted(x)
    assert 345_678 in x


def test_parameters_stand_on_a_scale() -> None:
    rates = scale_of([0.001, 0.01, None, 0.1])
    assert rates is not None
    assert rates.places == pytest.approx((0, 0.5, None, 1)) or rates.places[2] is None
    kinds = scale_of(["b", "a", True, None, "b"])
    assert kinds is not None
    assert [text for _, text in kinds.marks] == ["b", "a", "true"]
    assert kinds.places[0] == kinds.places[4]
    assert kinds.places[3] is None
    assert scale_of([f"x{number}" for number in range(40)]) is None
    assert scale_of([None, None]) is None


def test_a_scatter_shows_the_runs_that_have_both() -> None:
    drawn = scatter(
        "rate", [0.1, 0.2, None, 0.4], "auc", [0.5, None, 0.7, 0.8], ["a/1", "a/2", "a/3", "<a>"], [3]
    )
    assert drawn is not None
    assert drawn.count("<circle") == 2
    assert drawn.count("spot best") == 1
    assert "&lt;a&gt;: 0.8" in drawn
    assert scatter("rate", [None], "auc", [0.5], ["a/1"], []) is None


def test_columns_of_numbers_stand_to_the_right() -> None:
    drawn = table(("a", "b"), [("x<", 1.5), ("y" * 100, -2.0)])
    assert '<th class="num">b' in drawn
    assert '<td class="num">-2</td>' in drawn
    assert "x&lt;" in drawn
    assert f'title="{"y" * 100}"' in drawn


def test_markdown_cannot_smuggle_markup() -> None:
    drawn = text(
        "**b** <img src=x onerror=alert(1)> [l](javascript:alert(1)) ![i](https://example.com/x.png)"
    )
    seen = Seen(drawn)
    assert "b" in seen.text
    assert "<img src=x" in seen.text
    assert seen.attributes.get("href") is None
    assert "onerror" not in seen.attributes


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    return Hall(Artifacts(FolderStore(tmp_path / "store")))


PIXEL = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.png", PIXEL, "data:image/png;base64,"),
        ("a.jpg", b"\xff\xd8\xff\xe0", "data:image/jpeg;base64,"),
        ("a.svg", b"<?xml version='1.0'?><svg xmlns='x'></svg>", "data:image/svg+xml;base64,"),
        ("a.html", b"<!DOCTYPE html><p>x", "<iframe sandbox"),
        ("a.md", b"# Title", "<h1>Title</h1>"),
        ("a.csv", b"a,b\n<1>,2", "<pre>a,b\n&lt;1&gt;,2</pre>"),
        ("a.bin", b"\x00\x01", "a.bin, 2 B"),
        ("a.txt", "é<".encode(), "é&lt;"),
    ],
)
def test_a_reports_file_is_shown_by_what_it_is(
    hall: Hall, tmp_path: Path, name: str, content: bytes, expected: str
) -> None:
    (tmp_path / name).write_bytes(content)
    artifact = hall._artifacts.save(tmp_path / name)
    assert expected in hall.render(Shown("report", "", artifact))
    assert hall.scripts == name.endswith(".html")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, "<"]}, "&lt;"),
        ("<html><body>x", "<iframe"),
        (np.array([1.0]), "numpy.ndarray"),
        (b"plain", "bytes, 5 B"),
    ],
)
def test_a_reports_value_is_shown_by_what_it_is(hall: Hall, value: object, expected: str) -> None:
    assert expected in hall.render(Shown("report", "", hall._artifacts.save(value)))


def test_what_was_removed_or_is_too_large_is_named(
    hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = hall._artifacts.save(b"<html>" + b"x" * 5000)
    monkeypatch.setattr("noria.app.pages.exhibits.LARGEST", 1000)
    assert "5.01 kB: too large for a card" in hall.render(Shown("report", "", artifact))
    gone = Hall(Artifacts(FolderStore(tmp_path / "other")))
    monkeypatch.setattr("noria.app.pages.exhibits.LARGEST", 10_000)
    assert "its bytes were removed" in gone.render(Shown("report", "", artifact))


def test_pickle_is_not_read_for_a_card(hall: Hall) -> None:
    artifact = hall._artifacts.save(object, codec="pickle")
    assert "showing it would run code" in hall.render(Shown("report", "", artifact))


def test_a_wide_and_long_table_shows_its_beginning(hall: Hall) -> None:
    import polars as pl

    frame = pl.DataFrame({f"c{n}": range(100) for n in range(30)})
    drawn = hall.render(Shown("report", "", hall._artifacts.save(frame)))
    assert drawn.count("<tr>") == 13
    assert "100 rows of 30 columns; here the first 12 and 24 columns" in drawn
    assert "0 rows of 0 columns" in hall.render(Shown("report", "", hall._artifacts.save(pl.DataFrame())))


@pytest.mark.parametrize(
    ("days", "first", "step"),
    [
        (0.5, "03-04 12:00", 3 / 24),
        (3.0, "03-04 12:00", 0.5),
        (40.0, "2013-03-11", 7.0),
        (320.0, "2013-04-01", 56.0),
        (4000.0, "2013-11-11", 728.0),
    ],
)
def test_dates_stand_at_midnights_and_weeks_begin_on_mondays(days: float, first: str, step: float) -> None:
    begin = datetime(2013, 3, 4, 10, tzinfo=UTC).timestamp()  # a Monday
    axis = axis_of_dates(np.array([begin, begin + days * DAY]))
    ticks = [at for at, _ in axis.ticks()]
    assert next(axis.ticks())[1] == first
    assert np.diff(ticks) == pytest.approx(step * DAY)
    assert 2 <= len(ticks) <= 6
    assert all(axis.low <= at <= axis.high for at in ticks)
    if step >= 7:
        assert {datetime.fromtimestamp(at, UTC).weekday() for at in ticks} == {0}


def test_one_moment_has_an_axis_too() -> None:
    assert [text for _, text in axis_of_dates(np.array([1.5 * DAY])).ticks()]
