"""What a run shows: figures, pages, tables and text that its steps put on the card, and what its reports made."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from noria.app.pages.html import Html, tag
from noria.app.pages.style import frame
from noria.app.pages.tables import table
from noria.app.pages.words import count, size
from noria.errors import NotFound
from noria.records.artifacts import Artifact
from noria.records.base import parse
from noria.records.runs import StepResult

if TYPE_CHECKING:
    from noria.artifacts import Artifacts

Kind = Literal["image", "page", "table", "text", "other"]

ROWS, COLUMNS = 12, 24  # of a table on the card: what one reads; the object itself is one `run["name"]` away
LETTERS = 40_000  # of a text
LARGEST = 16 << 20  # bytes of one exhibit: an interactive figure carries 5 MB of its library
ROOM = 64 << 20  # bytes of all exhibits: a page that a browser still opens at once
IMAGES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"<svg": "image/svg+xml",
}
NOTHING = "NoneType"  # what a report returns that shows all it has with noria.show
PAGES = (b"<!doctype html", b"<html")
PLAIN = {".txt", ".md", ".csv", ".json", ".log", ".toml", ".yaml", ".yml"}


@dataclass(frozen=True)
class Shown:
    """One thing on a card, and the step that it came from."""

    step: str
    title: str
    artifact: Artifact
    kind: Kind | None = None
    """None: the artifact says itself what it is."""


def exhibits_of(steps: Iterable[StepResult]) -> Iterator[Shown]:
    """In the order of the steps; of a report its outputs, too."""
    for step in steps:
        for exhibit in step.card:
            yield Shown(step.step, exhibit.title, exhibit.artifact, exhibit.kind)
        if step.role == "report":
            for name, artifact in step.outputs.items():
                if artifact.type != NOTHING:
                    yield Shown(step.step, "" if name == step.step else name, artifact)


class Hall:
    """Renders exhibits one after the other, as long as there is room on the page."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        self._left = ROOM
        self.scripts = False
        """Whether a page was shown, which may need scripts of its own."""

    def render(self, shown: Shown) -> Html:
        """An exhibit under its title. What is too large, or was removed, is named instead of shown."""
        title = shown.title or shown.step
        by = shown.step if shown.title else ""
        try:
            body = self._body(shown)
        except NotFound:
            body = _instead("its bytes were removed: noria run makes them anew")
        caption = tag("figcaption", tag("b", title), tag("span", by, class_="soft") if by else None)
        return tag("figure", caption, body, class_="exhibit")

    def _body(self, shown: Shown) -> Html:
        artifact = shown.artifact
        if artifact.unsafe:
            return _instead("pickled: showing it would run code")
        if artifact.codec.startswith("arrow/"):
            return self._table(artifact)
        if artifact.size > min(LARGEST, self._left):
            return _instead(f"{size(artifact.size)}: too large for a card")
        self._left -= artifact.size
        return self._form(*self._read(artifact), title=shown.title or shown.step, kind=shown.kind)

    def _read(self, artifact: Artifact) -> tuple[Any, str]:
        """The bytes or the value, and the name of the file that they were."""
        codec = artifact.codec.partition("/")[0]
        if codec == "path":
            from noria.artifacts.files import Listing

            listing = parse(self._artifacts.store.get(artifact.digest), Listing)
            if listing.folder or len(listing.files) != 1:
                return [file.path for file in listing.files], ""
            return self._artifacts.store.get(listing.files[0].digest), listing.name
        if codec in ("png", "bytes", "json"):
            return self._artifacts.load(artifact), ""
        return artifact, ""

    def _form(self, value: Any, name: str, *, title: str, kind: Kind | None) -> Html:
        if isinstance(value, Artifact):
            return _instead(f"{value.type or value.codec}, {size(value.size)}")
        if isinstance(value, bytes):
            return self._bytes(value, name, title=title, kind=kind)
        if isinstance(value, str):
            return self._page(value, title) if _is_page(value.encode(errors="replace")) else text(value)
        return tag("pre", json.dumps(value, ensure_ascii=False, indent=1, default=str)[:LETTERS])

    def _bytes(self, data: bytes, name: str, *, title: str, kind: Kind | None) -> Html:
        if mime := _mime(data):
            packed = base64.b64encode(data).decode()
            return tag("img", src=f"data:{mime};base64,{packed}", alt=title)
        if kind == "page" or _is_page(data):
            return self._page(data.decode(errors="replace"), title)
        if PurePosixPath(name).suffix.lower() in PLAIN:
            written = data.decode(errors="replace")
            return text(written) if name.lower().endswith(".md") else tag("pre", written[:LETTERS])
        return _instead(f"{name or 'bytes'}, {size(len(data))}")

    def _page(self, document: str, title: str) -> Html:
        self.scripts = True
        return frame(document, title=title)

    def _table(self, artifact: Artifact) -> Html:
        whole = self._artifacts.table(artifact)
        rows, columns = whole.num_rows, whole.num_columns
        part = whole.select(range(min(columns, COLUMNS))).slice(0, ROWS)
        values = [part.column(at).to_pylist() for at in range(part.num_columns)]
        more = [f"the first {ROWS}" if rows > ROWS else "", f"{COLUMNS} columns" if columns > COLUMNS else ""]
        outline = f"{count(rows, 'row')} of {count(columns, 'column')}"
        told = "; ".join([outline, *(["here " + " and ".join(filter(None, more))] if any(more) else [])])
        body = table(part.column_names, zip(*map(_cells, values), strict=True)) if columns else None
        return tag("div", body, tag("p", told, class_="legend soft"))


def text(markdown: str) -> Html:
    """Markdown as HTML; what is HTML in it is shown, not obeyed."""
    from markdown_it import MarkdownIt

    rendered = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown[:LETTERS])
    return tag("div", Html(rendered), class_="text")


def _cells(values: Sequence[object]) -> list[object]:
    return [
        "null" if value is None else value if isinstance(value, float) else str(value) for value in values
    ]


def _mime(data: bytes) -> str | None:
    begin = data[:200].lstrip()
    if begin.startswith(b"<?xml") and b"<svg" in data[:1000]:
        return "image/svg+xml"
    return next((mime for mark, mime in IMAGES.items() if begin.startswith(mark)), None)


def _is_page(data: bytes) -> bool:
    return data[:200].lstrip().lower().startswith(PAGES)


def _instead(why: str) -> Html:
    return tag("p", why, class_="soft")
