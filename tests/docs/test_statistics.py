"""Each test has a page and a figure, each page is found from the first one, and each name of the package is on some page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noria import statistics

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "statistics"
PAGES = sorted(FOLDER.glob("*.md"))
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PLAIN = {"Column", "LossRange", "Method", "SourceMethod", "RateVerdict", "Verdict"}  # types of arguments


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_links_and_figures_are_there(page: Path) -> None:
    links = LINK.findall(page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "page", [one for one in PAGES if one.name != "README.md"], ids=lambda page: page.name
)
def test_it_says_what_is_assumed_whence_it_comes_and_what_was_measured(page: Path) -> None:
    text = page.read_text()
    assert f"({page.stem}.png)" in text
    assert re.search(r"\bassum", text)
    assert re.search(r"\b(19|20)\d\d\b", text), "a source has a year"
    assert re.search(r"\d %|0\.\d", text)


def test_the_first_page_leads_to_all_others_and_no_figure_is_without_a_page() -> None:
    linked = set(LINK.findall((FOLDER / "README.md").read_text()))
    assert {page.name for page in PAGES} - {"README.md"} == {link for link in linked if "/" not in link}
    shown = {link for page in PAGES for link in LINK.findall(page.read_text())}
    assert {figure.name for figure in FOLDER.glob("*.png")} <= shown


def test_what_a_caller_begins_with_is_on_some_page() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    verbs = [name for name in statistics.__all__ if name[0].islower() and name not in PLAIN]
    assert [name for name in verbs if f"`{name}" not in text and f".{name}" not in text] == []
