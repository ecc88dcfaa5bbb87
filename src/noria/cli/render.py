"""Plain text for people: the same words and columns on a terminal and in a pipe; colour on a terminal alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from noria.app.pages.words import NONE, amount, count, figure, pinned, size, span, when
from noria.errors import BackendError

__all__ = [
    "NONE",
    "amount",
    "coloured",
    "count",
    "fields",
    "figure",
    "note",
    "paint",
    "pinned",
    "say",
    "say_json",
    "size",
    "span",
    "table",
    "when",
]


@dataclass(eq=False)
class NotWritten(BackendError):
    code: ClassVar[str] = "OUTPUT-LOST"
    what: ClassVar[str] = (
        "the command was carried out, and what came of it cannot be written to stdout: {reason}"
    )
    next: ClassVar[str] = "make room where stdout goes; noria runs, noria status and the others show it again"
    reason: str


CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def say(*lines: str) -> None:
    """Results, on stdout, at once: a service's words must not wait in a buffer."""
    if lines:
        _out("\n".join(lines))


def note(*lines: str) -> None:
    """Progress and hints, on stderr."""
    for line in lines:
        print(line, file=sys.stderr, flush=True)


def say_json(document: object) -> None:
    """A record in its canonical JSON form: sorted keys, fields at their default left out."""
    from noria.records.base import canonical

    _out(canonical(document).decode())


def _out(text: str) -> None:
    try:
        print(text, flush=True)
    except BrokenPipeError:  # who read our output has seen enough
        raise
    except OSError as error:
        raise NotWritten(reason=error.strerror or str(error)) from error


def coloured() -> bool:
    """Whether stdout shows colour: a terminal, and nobody said NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, *styles: str) -> str:
    """The text in bold, dim or a colour, where colour is shown."""
    if not styles or not text or not coloured():
        return text
    return f"\033[{';'.join(CODES[style] for style in styles)}m{text}\033[0m"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, indent: int = 0) -> list[str]:
    """Columns two blanks apart, none cut; numbers to the right. The head is bold."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [bool(cells) and all(_numeric(row[at]) for row in cells) for at in range(len(head))]
    widths = [max(len(text) for text in column) for column in zip(head, *cells, strict=True)]
    lines = [_line(head, widths, right, indent), *(_line(row, widths, right, indent) for row in cells)]
    return [paint(lines[0], "bold"), *lines[1:]]


def fields(pairs: Iterable[tuple[str, object]], *, indent: int = 2) -> list[str]:
    """`name  value` lines; those without a value are left out, those with several lines hang."""
    shown = [(name, str(value)) for name, value in pairs if value is not None and str(value) != ""]
    wide = max((len(name) for name, _ in shown), default=0)
    lines = []
    for name, value in shown:
        first, *rest = value.splitlines()
        lines.append(f"{' ' * indent}{paint(name.ljust(wide), 'dim')}  {first}")
        lines += [f"{' ' * (indent + wide)}  {line}" for line in rest]
    return lines


def _cell(value: object) -> str:
    text = NONE if value is None or value == "" else str(value)
    return " ".join(text.split("\n"))


def _numeric(text: str) -> bool:
    return text == NONE or text.replace(",", "").lstrip("+-").replace(".", "", 1).isdecimal()


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], indent: int) -> str:
    placed = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return " " * indent + "  ".join(placed).rstrip()
