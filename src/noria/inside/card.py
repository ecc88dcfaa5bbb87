"""Figures, tables and text on the run's card: `noria.show(figure, title="Calibration")`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from noria.artifacts.tables import is_table
from noria.errors import ConfigError, UsageError
from noria.inside.context import current
from noria.records.cards import Exhibit

if TYPE_CHECKING:
    from noria.artifacts import Artifacts

Kind = Literal["image", "page", "table", "text"]
PNG = b"\x89PNG\r\n"


@dataclass(eq=False)
class CannotShow(UsageError):
    code: ClassVar[str] = "SHOW-VALUE"
    what: ClassVar[str] = "noria.show cannot put a {type} on the card"
    next: ClassVar[str] = (
        "give a figure (matplotlib, plotly, altair), a table, text, PNG bytes, or an object with _repr_html_"
    )
    type: str


@dataclass(eq=False)
class NeedsLibrary(ConfigError):
    code: ClassVar[str] = "SHOW-LIBRARY"
    what: ClassVar[str] = (
        "an altair chart becomes a page of its own only with {library}, which is not installed"
    )
    next: ClassVar[str] = "add {library} to the environment of the step"
    library: str


def show(thing: Any, *, title: str = "") -> None:
    """Put a figure (matplotlib, plotly, altair), a table (polars, pandas, Arrow), PNG bytes, an object with
    `_repr_html_`, or text (Markdown) on the card of the run, in the order of the calls.

    Interactive figures are kept as pages of their own that need no network. Outside of a run nothing is kept, but what
    cannot be shown raises there, too. Raises `CannotShow`.
    """
    kind, value = _form(thing)
    inside = current()
    if inside is not None:
        inside.exhibits.append(_exhibit(kind, value, title, inside.artifacts))


def _exhibit(kind: Kind, value: Any, title: str, artifacts: Artifacts) -> Exhibit:
    return Exhibit(title=str(title), kind=kind, artifact=artifacts.save(value))


def _form(thing: Any) -> tuple[Kind, Any]:
    """What to keep of it: a figure itself where a codec draws it, else a page's bytes, a table, a text."""
    package = type(thing).__module__.partition(".")[0]
    if isinstance(thing, str):
        return "text", thing
    if isinstance(thing, bytes) and thing.startswith(PNG):
        return "image", thing
    if (drawn := _drawn(thing)) is not None:
        return "image", drawn
    if package == "plotly" and hasattr(thing, "to_html"):
        return "page", thing.to_html(include_plotlyjs=True, div_id="figure", full_html=True).encode()
    if package == "altair" and hasattr(thing, "to_html"):
        return "page", _altair_page(thing)
    if is_table(thing):
        return "table", thing
    if (page := _own_page(thing)) is not None:
        return "page", page.encode()
    raise CannotShow(type=f"{type(thing).__module__}.{type(thing).__qualname__}")


def _drawn(thing: Any) -> Any:
    """The figure that a thing is, or that axes (`frame.plot()`, seaborn) stand on; None for what has none."""
    for figure in (thing, getattr(thing, "figure", None)):
        if callable(getattr(type(figure), "savefig", None)):
            return figure
    return None


def _own_page(thing: Any) -> str | None:
    """How it shows itself in a notebook; a class, or an object that has nothing to show now, does not."""
    if isinstance(thing, type) or not callable(getattr(thing, "_repr_html_", None)):
        return None
    page = thing._repr_html_()
    return page if isinstance(page, str) and page.strip() else None


def _altair_page(chart: Any) -> bytes:
    try:
        page: str = chart.to_html(inline=True)
    except (ImportError, ValueError) as error:
        if "vl_convert" in str(error) or "vl-convert" in str(error):
            raise NeedsLibrary(library="vl-convert-python") from error
        raise
    return page.encode()
