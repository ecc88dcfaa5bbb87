"""How people name versions: `delay:3`, `delay@champion`, `delay`."""

from __future__ import annotations

import re

from noria.records.base import Record

CHAMPION = "champion"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class Numbered(Record):
    """`delay:3`"""

    model: str
    number: int


class Aliased(Record):
    """`delay@champion`"""

    model: str
    alias: str


def parse_reference(text: str) -> Numbered | Aliased | None:
    """What a person means by `text`; a bare model is its champion. None when it names no version."""
    model, mark, rest = text.partition(":")
    if mark and NAME.fullmatch(model) and rest.isdecimal():
        return Numbered(model=model, number=int(rest))
    model, mark, rest = text.partition("@")
    if NAME.fullmatch(model) and (not mark or NAME.fullmatch(rest)):
        return Aliased(model=model, alias=rest or CHAMPION)
    return None
