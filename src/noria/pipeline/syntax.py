"""What a piece of Python says, free of its looks; and which names from outside it reads."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from msgspec import Struct, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef
Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp

_SCOPES = (  # what is inside has names of its own
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)

MUTATORS = frozenset(
    {
        *("append", "extend", "insert", "sort", "reverse"),
        *("add", "update", "setdefault", "register"),
        *("pop", "popitem", "remove", "discard", "clear"),
    }
)
"""Methods that change a list, a dict, a set or a registry in place."""

_SKIPPED = frozenset({"ctx", "type_comment", "kind", "type_ignores"})  # looks, or said twice
_SAID: dict[type, tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _SKIPPED)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}
"""The fields of each kind of node that say something."""


class Target(Struct, frozen=True, array_like=True):
    """What an import names: `from ..a import b` is module `a`, level 2, name `b`."""

    module: str
    name: str | None = None
    level: int = 0


class Reading(Struct, array_like=True):
    """The names that some code takes from its module, with the attributes read off them (`np`, `random`, `seed`)."""

    names: dict[tuple[str, tuple[str, ...]], bool] = field(default_factory=dict)
    """Name and attributes, and whether the module must have it: a class body may mean its own."""
    imports: list[tuple[Target, tuple[str, ...]]] = field(default_factory=list)
    """Imports inside functions, and the attributes read off them."""
    mutated: set[str] = field(default_factory=set)
    """Names whose value is changed in place or rebound."""


def normal_form(node: ast.AST, *, as_step: bool = False) -> str:
    """The tree as text: no positions, comments or docstrings.

    `as_step` leaves out the defaults of keyword-only parameters: a step's hyperparameters are recorded by value.
    """
    out: list[str] = []
    _write(_without_defaults(node) if as_step and isinstance(node, Function) else node, out)
    return "".join(out)


def with_decorators(node: ast.AST, kept: Sequence[bool]) -> ast.AST:
    """A definition with those of its own decorators alone that are kept; anything else as it is."""
    if not isinstance(node, Definition) or all(kept):
        return node
    decorators = [one for one, keep in zip(node.decorator_list, kept, strict=True) if keep]
    return _changed(node, "decorator_list", decorators)


def read(nodes: Iterable[ast.AST]) -> Reading:
    """The names that these statements or expressions of a module's top level read from the module."""
    reader = _Reader()
    for node in nodes:
        reader.visit(node, ())
    return reader.reading


def stored(statement: ast.AST) -> set[str]:
    """The names that a statement binds in its own scope, imports left out."""
    return {name for name, target in _bound(_own_of([statement])) if target is None}


def imported(statement: ast.AST) -> list[tuple[str, Target]]:
    """The names that a statement binds to imports in its own scope; `*` for a star import."""
    return [(name, target) for name, target in _bound(_own_of([statement])) if target is not None]


def touched(statement: ast.stmt) -> set[str]:
    """The names whose values a statement of the top level may change: `NAMES.append(x)`, `TABLE[k] = v`, `f(NAMES)`."""
    found: set[str] = set()
    for node in _own_of([statement]):
        if isinstance(node, ast.Expr):
            found.update(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            root, _ = unrolled(node)
            if isinstance(root, ast.Name):
                found.add(root.id)
    return found


def unrolled(node: ast.expr) -> tuple[ast.expr, tuple[str, ...]]:
    """`a.b.c` as `a` and (`b`, `c`); subscripts end the path."""
    path: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            path.append(node.attr)
        else:
            path.clear()
        node = node.value
    return node, tuple(reversed(path))


def _without_defaults(node: Function) -> ast.AST:
    return _changed(node, "args", _changed(node.args, "kw_defaults", []))


def _changed(node: ast.AST, name: str, value: object) -> ast.AST:
    return type(node)(**{**dict(ast.iter_fields(node)), name: value})


def _write(value: object, out: list[str]) -> None:
    kind = type(value)
    if kind is ast.Constant:
        constant: Any = value
        out.append(f"{type(constant.value).__name__}:{constant.value!r},")
    elif kind is list:
        out.append("[")
        for item in cast("list[object]", value):
            _write(item, out)
        out.append("]")
    elif isinstance(value, ast.AST):
        out.append(kind.__name__ + "(")
        for name in _SAID[kind]:
            part = getattr(value, name, None)
            _write(_without_docstring(value, part) if name == "body" else part, out)
        out.append(")")
    else:
        out.append(f"{value!r},")


def _without_docstring(node: ast.AST, body: object) -> object:
    if not (isinstance(node, Definition | ast.Module) and isinstance(body, list) and body):
        return body
    first = body[0]
    said = (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
    return body[1:] if said else body


Scope = dict[str, Target | None]
"""The names of a function's own, and what those mean that it imports."""


class _Reader:
    """Walks code with the scopes around it, innermost last."""

    def __init__(self) -> None:
        self.reading = Reading()

    def visit(self, node: ast.AST, scopes: tuple[Scope, ...], own_class: Scope | None = None) -> None:
        own = _VISITS.get(type(node))
        if own is not None:
            own(self, node, scopes, own_class)
            return
        if isinstance(node, ast.Call):
            self._call(node, scopes)
        for child in _children(node):
            self.visit(child, scopes, own_class)

    def _function(
        self, node: Function | ast.Lambda, scopes: tuple[Scope, ...], own_class: Scope | None
    ) -> None:
        arguments = node.args
        everyone = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        everyone += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        around: list[ast.AST | None] = [*arguments.defaults, *arguments.kw_defaults]
        if not isinstance(node, ast.Lambda):
            around += [*node.decorator_list, node.returns, *(argument.annotation for argument in everyone)]
        for part in filter(None, around):
            self.visit(part, scopes, own_class)
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        scope: Scope = {argument.arg: None for argument in everyone}
        inside = list(_own_of(body))
        scope.update(_bound(inside))
        for name in _declared_global(inside):
            scope.pop(name, None)
            self.reading.mutated.add(name)
        self._all(body, (*scopes, scope), None)

    def _class(self, node: ast.ClassDef, scopes: tuple[Scope, ...], own_class: Scope | None) -> None:
        self._all([*node.decorator_list, *node.bases, *node.keywords], scopes, own_class)
        self._all(node.body, scopes, dict(_bound(_own_of(node.body))))

    def _comprehension(self, node: Comprehension, scopes: tuple[Scope, ...], own_class: Scope | None) -> None:
        self.visit(node.generators[0].iter, scopes, own_class)  # the one part that is evaluated outside
        targets = [
            name.id
            for part in node.generators
            for name in ast.walk(part.target)
            if isinstance(name, ast.Name)
        ]
        inner = (*scopes, dict.fromkeys(targets))
        self._all(_children(node), inner, own_class)

    def _all(self, nodes: Iterable[ast.AST], scopes: tuple[Scope, ...], own_class: Scope | None) -> None:
        for node in nodes:
            self.visit(node, scopes, own_class)

    def _chain(self, node: ast.expr, scopes: tuple[Scope, ...], own_class: Scope | None) -> None:
        root, path = unrolled(node)
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute | ast.Subscript):
            if isinstance(inner, ast.Subscript):
                self.visit(inner.slice, scopes, own_class)
            if (
                not isinstance(inner.ctx, ast.Load)
                and isinstance(root, ast.Name)
                and not _found(root.id, scopes)
            ):
                self.reading.mutated.add(root.id)
            inner = inner.value
        if isinstance(root, ast.Name):
            self._name(root, path, scopes, own_class)
        else:
            self.visit(root, scopes, own_class)

    def _name(
        self, node: ast.Name, path: tuple[str, ...], scopes: tuple[Scope, ...], own_class: Scope | None
    ) -> None:
        for scope in reversed(scopes):
            if node.id in scope:
                target = scope[node.id]
                if target is not None:
                    self.reading.imports.append((target, path))
                return
        if isinstance(node.ctx, ast.Load):
            key = (node.id, path)
            needed = own_class is None or node.id not in own_class
            self.reading.names[key] = needed or self.reading.names.get(key, False)

    def _call(self, node: ast.Call, scopes: tuple[Scope, ...]) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            root, _ = unrolled(node.func)
            if isinstance(root, ast.Name) and not _found(root.id, scopes):
                self.reading.mutated.add(root.id)


_Visit = Callable[[_Reader, Any, tuple[Scope, ...], Scope | None], None]
_VISITS: dict[type[ast.AST], _Visit] = {
    **dict.fromkeys((ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda), _Reader._function),
    ast.ClassDef: _Reader._class,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), _Reader._comprehension),
    **dict.fromkeys((ast.Name, ast.Attribute, ast.Subscript), _Reader._chain),
}
"""How code with scopes or names is read; by type, for a step's every node comes by."""


def _found(name: str, scopes: Sequence[Scope]) -> bool:
    return any(name in scope for scope in scopes)


def _declared_global(own: Iterable[ast.AST]) -> Iterator[str]:
    for node in own:
        if isinstance(node, ast.Global):
            yield from node.names


def _bound(own: Iterable[ast.AST]) -> Iterator[tuple[str, Target | None]]:
    """What the nodes of a scope bind in it."""
    for node in own:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, None
        elif isinstance(node, Definition):
            yield node.name, None
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, Target(alias.name)) if alias.asname else _first(alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, Target(node.module or "", alias.name, node.level)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name, None
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest, None
        elif isinstance(node, Comprehension):
            yield from ((part.target.id, None) for part in ast.walk(node) if isinstance(part, ast.NamedExpr))


def _first(dotted: str) -> tuple[str, Target]:
    head = dotted.partition(".")[0]
    return head, Target(head)


def _own_of(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Some statements and what is inside them in the same scope, in the order in which they are written."""
    waiting = [*reversed(body)]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _SCOPES):
            waiting += reversed(_children(node))


def _children(node: ast.AST) -> list[ast.AST]:
    """As `ast.iter_child_nodes`, without what says nothing, and in half the time: this is the hot path."""
    found: list[ast.AST] = []
    for name in _SAID[type(node)]:
        part = getattr(node, name, None)
        if type(part) is list:
            found += [item for item in part if isinstance(item, ast.AST)]
        elif isinstance(part, ast.AST):
            found.append(part)
    return found
