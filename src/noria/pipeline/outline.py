"""What one file of a project says, in the terms in which code is followed through it: who has this asks for no syntax
tree any more. It depends on the file's bytes alone, and on what reads them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, field

from noria.pipeline.constants import looks_out, reader_in
from noria.pipeline.syntax import (
    Definition,
    Function,
    Reading,
    Target,
    imported,
    normal_form,
    read,
    stored,
    touched,
    unrolled,
    with_decorators,
)
from noria.records.base import Digest, digest_bytes

Named = tuple[str, tuple[str, ...]]
"""A name and the attributes that are read off it."""
Decorators = tuple[Named | None, ...]
"""Of a definition, without their arguments; None for what is no name with attributes."""

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a statement, a handler or a case that hold statements."""


class Made(Struct, frozen=True, array_like=True):
    """A function of the file, wherever it stands."""

    number: int
    """Among all of the file's functions, as `functions_of` gives them."""
    first: int
    """Its first line, decorators included."""
    position: int
    """Of the statement of the top level that holds it, or is it."""
    outermost: bool
    decorators: Decorators


class Constant(Struct, frozen=True, array_like=True):
    """A statement of the top level that gives names a value."""

    line: int
    called: Named | None
    """What is called to make the value."""
    outside: bool
    """Whether what is imported is asked for it."""
    reader: str | None
    """The name of a call that looks at the outside world."""


class Piece(Struct, frozen=True, array_like=True):
    """A statement, or a function by itself: the digest of its normal form, and what it reads."""

    text: Digest
    reading: Reading


class Outline(Struct, array_like=True):
    """A file, statement by statement; pieces are taken in as they are asked for."""

    size: int
    """Statements of the top level."""
    bound: dict[str, list[int]] = field(default_factory=dict)
    """Name to the statements that make it or may change its value."""
    imports: dict[str, list[Target]] = field(default_factory=dict)
    stars: list[Target] = field(default_factory=list)
    functions: dict[str, list[Made]] = field(default_factory=dict)
    decorated: dict[int, Decorators] = field(default_factory=dict)
    """Of the definitions among the statements."""
    constants: dict[int, Constant] = field(default_factory=dict)
    mutated: frozenset[str] | None = None
    """Names that some function of this file rebinds or changes in place, whenever that may be; None: not looked for."""
    pieces: dict[str, Piece] = field(default_factory=dict)
    """Statements by `key_of`."""
    alone: dict[str, Piece] = field(default_factory=dict)
    """Functions by themselves, by `key_of`."""


def outline(body: Sequence[ast.stmt]) -> Outline:
    """The outline of a file, without pieces."""
    found = Outline(len(body))
    for position, statement in enumerate(body):
        if not _is_guard(statement):
            _note_names(found, position, statement)
    for position, statement in enumerate(body):
        if isinstance(statement, Definition):
            found.decorated[position] = _decorators(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            found.constants[position] = _constant(found, statement.lineno, statement.value)
    for number, (position, function) in enumerate(functions_of(body)):
        first = min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
        made = Made(number, first, position, body[position] is function, _decorators(function))
        found.functions.setdefault(function.name, []).append(made)
    return found


def functions_of(body: Sequence[ast.stmt]) -> Iterator[tuple[int, Function]]:
    """Every function of a file, wherever it stands, with the position of the statement of the top level that holds it."""
    for position, statement in enumerate(body):
        for node in _statements_in(statement):
            if isinstance(node, Function):
                yield position, node


def mutated_in(body: Sequence[ast.stmt]) -> frozenset[str]:
    """See `Outline.mutated`."""
    inside = [statement for statement in body if isinstance(statement, ast.FunctionDef | ast.ClassDef)]
    return frozenset(read(inside).mutated)


def piece(statement: ast.stmt, kept: Sequence[bool]) -> Piece:
    """A statement, with those of its decorators that are kept."""
    said = with_decorators(statement, kept)
    return Piece(digest_bytes(normal_form(said).encode()), read([said]))


def function_piece(function: Function, kept: Sequence[bool], *, outermost: bool, as_step: bool) -> Piece:
    """A function by itself. One that was made inside another reads what that one's statement reads: nothing here."""
    said = with_decorators(function, kept)
    text = digest_bytes(normal_form(said, as_step=as_step).encode())
    return Piece(text, read([said]) if outermost else Reading())


def key_of(place: int, kept: Sequence[bool], *, as_step: bool = False) -> str:
    """A piece's name: which statement or function, which of its decorators count, and whether it is a step."""
    return f"{place}:{''.join('+' if one else '-' for one in kept)}{':step' if as_step else ''}"


def _note_names(found: Outline, position: int, statement: ast.stmt) -> None:
    names = stored(statement) | touched(statement)
    for name, target in imported(statement):
        if name == "*":
            found.stars.append(target)
            continue
        found.imports.setdefault(name, []).append(target)
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            names.add(name)  # an import on condition: the condition is part of what the name means
    for name in names:
        found.bound.setdefault(name, []).append(position)


def _is_guard(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, which nobody reaches by an import."""
    test = statement.test if isinstance(statement, ast.If) else None
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


def _constant(found: Outline, line: int, value: ast.expr) -> Constant:
    return Constant(
        line=line,
        called=_named(value.func) if isinstance(value, ast.Call) else None,
        outside=looks_out(found.imports, value),
        reader=reader_in(value),
    )


def _decorators(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Decorators:
    return tuple(_named(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list)


def _named(node: ast.expr) -> Named | None:
    root, path = unrolled(node)
    return (root.id, path) if isinstance(root, ast.Name) else None


def _statements_in(statement: ast.stmt) -> Iterator[ast.stmt]:
    """A statement and those inside it, however deep; expressions, which hold none, are not walked through."""
    waiting: list[Any] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in BLOCKS:
            waiting += getattr(node, name, ())
