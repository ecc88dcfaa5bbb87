"""Markup, built so that text is escaped unless it is markup already."""

from __future__ import annotations

import html as standard
from collections.abc import Iterable, Iterator

VOID = frozenset({"br", "hr", "img", "meta", "path", "line", "circle", "rect", "polyline"})


class Html(str):
    """Text that is markup: `tag` made it, or somebody vouches for it."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element: `tag("td", "a < b", class_="num")`. None among children and attributes is left out, True gives an
    attribute without a value; `stroke_width` is written `stroke-width`."""
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID and not children:
        return Html(f"<{name}{given}>" if name not in _SVG else f"<{name}{given}/>")
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    """Children one after the other; plain text among them is escaped."""
    return Html("".join(map(_text, children)))


def escape(text: object) -> Html:
    """Text as markup that shows it. What no document may hold (NUL and its like) is shown as a replacement."""
    return Html(standard.escape(str(text).translate(_CONTROL)))


def _text(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, list | tuple | Iterator):
        return join(child)
    return escape(child)


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(value)}"'


_SVG = frozenset({"path", "line", "circle", "rect", "polyline"})
_CONTROL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127, *range(55296, 57344)), "�")
