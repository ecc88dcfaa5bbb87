"""A run's card: what stands on it, and that nothing of a user's is obeyed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import noria
from noria.app.cards import gather_card, make_card
from noria.app.errors import BadReference, UnknownRun
from unit.app import stored
from unit.client.test_pages import Seen
from unit.client.worked import NASTY


@pytest.fixture(scope="module")
def cards(flights: Path) -> dict[int, str]:
    with stored.opened(flights) as app:
        return {number: make_card(app, f"delay/{number}") for number in range(1, 7)}


def headings(card: str) -> list[str]:
    return re.findall(r"<h[12]>([^<]+)</h[12]>", card)


def words(card: str) -> str:
    """What a reader reads, outside of frames."""
    return Seen(re.sub(r"<style>.*?</style>", "", card, flags=re.DOTALL)).text


def test_everything_is_there_from_what_matters_to_what_one_looks_up(cards: dict[int, str]) -> None:
    assert headings(cards[5]) == [
        *("delay/5", "Parameters", "Metrics", "Series", "Exhibits", "Report"),
        *("Steps", "Data: flights", "Environment", "Notes"),
    ]
    text = words(cards[5])
    for told in (
        "classifier.learning_rate",
        "delay:3",
        "222222222",
        "+0.03",
        "undecided",
        "not shown to be within",
    ):
        assert told in text
    for told in (
        "Calibration",
        "1,000 rows of 4 columns",
        "Report",
        "3 items",
        "1.2%",
        "3.11.7",
        "fell back",
    ):
        assert told in text


def test_the_champion_stands_beside(flights: Path) -> None:
    with stored.opened(flights) as app:
        card = gather_card(app, "delay/5")
        assert card.champion is not None
        assert card.champion.name == "delay:1"
        assert gather_card(app, "delay/1").champion is None  # it was the first: nobody stood there


def test_series_that_belong_together_share_a_chart(flights: Path) -> None:
    with stored.opened(flights) as app:
        charts = gather_card(app, "delay/5").charts
    assert [(chart.of, chart.title, [line.label for line in chart.lines]) for chart in charts] == [
        ("classifier", "loss", ["train", "valid"]),
        ("classifier", "auc", ["valid"]),
        ("classifier", "learning_rate", [""]),
        ("score", "auc", ["[0]", "[1]", "[2]"]),
    ]


def test_a_failure_comes_first(cards: dict[int, str]) -> None:
    assert headings(cards[6])[:2] == ["delay/6", "Failed in classifier"]
    text = words(cards[6])
    assert f"ValueError: {NASTY}" in text
    assert "after 10 lines more" in text
    assert "line 29" in text
    assert "line 9\n" not in text


def test_a_run_that_was_stopped_says_so(cards: dict[int, str]) -> None:
    assert "A person stopped it" in words(cards[4])


@pytest.mark.parametrize("number", [3, 5, 6])
def test_nothing_of_a_users_is_obeyed(cards: dict[int, str], number: int) -> None:
    seen = Seen(cards[number])
    assert "script" not in seen.tags
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert "https://" not in cards[number].replace("http-equiv", "")


def test_scripts_are_allowed_only_where_a_page_needs_them(cards: dict[int, str]) -> None:
    assert "script-src" in cards[5]
    assert "script-src" not in cards[6]


def test_steps_that_were_reused_have_no_bar(cards: dict[int, str]) -> None:
    tracks = re.findall(r'aria-label="(\w+): [^"]*">(.*?)</div>', cards[2])
    assert [(name, "<i " in bars) for name, bars in tracks] == [("flights", False), ("classifier", True)]
    assert "reused from delay/1" in words(cards[2])


def test_names(flights: Path) -> None:
    with stored.opened(flights) as app:
        assert "<h1>delay/6</h1>" in make_card(app, "delay/last")
        with pytest.raises(UnknownRun):
            make_card(app, "delay/77")
        with pytest.raises(BadReference):
            make_card(app, "delay:1")


def test_what_gc_removed_does_not_break_the_card(flights: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "p"
    shutil.copytree(flights, folder)
    shutil.rmtree(folder / ".noria" / "objects")
    with stored.opened(folder) as app:
        card = make_card(app, "delay/5")
        failed = make_card(app, "delay/6")
    assert card.count("its bytes were removed") == 5
    assert "Series" not in headings(card)
    assert "Failed in classifier" in headings(failed)


def test_a_card_in_a_notebook(flights: Path, tmp_path: Path) -> None:
    card = noria.runs(project=flights)[5].card
    assert card.save(tmp_path / "card.html").read_text() == card.html
    seen = Seen(card._repr_html_())
    assert seen.attributes["srcdoc"] == card.html
    assert seen.attributes["sandbox"] == "allow-scripts"
    assert repr(card).startswith("<card of delay/5: ")
