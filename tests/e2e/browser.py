"""A real browser, for pages that people look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CALM = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@dataclass
class Watched:
    """A page, and all that it did on the way."""

    page: Page
    asked: list[str] = field(default_factory=list)
    """Addresses that it asked for, beyond its own file."""
    told: list[str] = field(default_factory=list)
    """Errors, and dialogs that opened."""

    @property
    def width(self) -> int:
        """Of all that it holds: more than the window's means scrolling sideways."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium; the test is skipped, aloud, where it is not installed."""
    sync = pytest.importorskip("playwright.sync_api", reason="no browser driver: pip install playwright")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no browser: apt-get install chromium")
    with sync.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=CALM)
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def page_of(
    browser: Browser, path: Path, *, width: int = 1200, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Watched]:
    """A file, opened."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    watched = Watched(page)
    page.on("request", lambda request: watched.asked.append(request.url))
    page.on("pageerror", lambda error: watched.told.append(str(error)))
    page.on("dialog", lambda dialog: _dismiss(dialog, watched))
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    watched.asked = [url for url in watched.asked if url.startswith("http")]
    try:
        yield watched
    finally:
        page.close()


def _dismiss(dialog: Any, watched: Watched) -> None:
    watched.told.append(f"dialog {dialog.message}")
    dialog.dismiss()
