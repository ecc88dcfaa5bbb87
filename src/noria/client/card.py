"""A run's card, to look at or to keep."""

from __future__ import annotations

from pathlib import Path

from noria.app.output import write_output
from noria.app.pages.words import size
from noria.client.place import explained


class Card:
    """One HTML page that needs nothing else."""

    def __init__(self, run: str, html: str) -> None:
        self.run = run
        self.html = html

    def save(self, path: str | Path) -> Path:
        """Write it to a file. Raises `OutputRefused`."""
        with explained():
            write_output(Path(path), self.html)
        return Path(path)

    def __repr__(self) -> str:
        return f"<card of {self.run}: {size(len(self.html.encode()))} of HTML; .save(path) keeps it>"

    def _repr_html_(self) -> str:
        from noria.client.display import page_html

        return page_html(self.html, title=f"card of {self.run}")
