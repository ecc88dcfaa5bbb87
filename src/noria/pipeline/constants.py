"""Constants that a module reads from outside while it is imported: they count by their value, not by their words."""

from __future__ import annotations

import ast
from collections.abc import Container
from datetime import date, timedelta
from pathlib import Path, PurePath

from noria.pipeline.syntax import unrolled

LARGEST = 10_000  # items of such a value; a larger one is data, and belongs into a data step
READERS = ("read", "load", "scan", "open", "fetch", "urlopen", "get", "environ")
"""Beginnings of the names of calls that look at the outside world."""


def looks_out(imports: Container[str], value: ast.expr) -> bool:
    """Whether an expression calls or reads something that is imported: its value may change by itself."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
            root, _ = unrolled(node.func if isinstance(node, ast.Call) else node)
            if isinstance(root, ast.Name) and (root.id == "open" or root.id in imports):
                return True
    return False


def reader_in(value: ast.expr) -> str | None:
    """The name of a call that looks at the outside world, by what such calls are named."""
    for node in ast.walk(value):
        name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if name.startswith(READERS):
            return name
    return None


def plain(value: object, root: Path) -> str | None:
    """A value as text that is the same in every process and checkout; None for an object, or for too much."""
    budget = [LARGEST]
    text = _spelled(value, budget)
    return None if text is None else text.replace(str(root), ".")


def _spelled(value: object, budget: list[int]) -> str | None:
    budget[0] -= 1
    if budget[0] < 0:
        return None
    if value is None or type(value) in (bool, int, float, complex, str, bytes):
        return repr(value)
    if isinstance(value, date | timedelta | PurePath):
        return f"{type(value).__name__} {value}"
    if type(value) not in (list, tuple, set, frozenset, dict):
        return None
    parts = value.items() if isinstance(value, dict) else value
    spelled = [_spelled(part, budget) for part in parts]  # type: ignore[attr-defined]
    known = [part for part in spelled if part is not None]
    if len(known) < len(spelled):
        return None
    ordered = sorted(known) if isinstance(value, set | frozenset) else known
    return f"{type(value).__name__}({', '.join(ordered)})"
