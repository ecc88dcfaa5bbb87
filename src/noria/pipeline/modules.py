"""A project's Python files, each parsed once: which statement makes, imports or changes which name."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from noria.graph.imported import FOREIGN, is_own
from noria.pipeline.syntax import Target, imported, read, stored, touched
from noria.records.base import Digest, digest_bytes

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a statement, a handler or a case that hold statements."""


@dataclass(eq=False)
class Module:
    """One file of the project. `place` is its path from the project's root: the same in every checkout."""

    name: str
    place: str
    path: Path
    body: list[ast.stmt]
    bound: dict[str, list[int]] = field(default_factory=dict)
    """Name to the statements that make it or may change its value."""
    imports: dict[str, list[Target]] = field(default_factory=dict)
    stars: list[Target] = field(default_factory=list)

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @cached_property
    def mutated(self) -> frozenset[str]:
        """Names that some function of this file rebinds or changes in place, whenever that may be."""
        inside = [
            statement for statement in self.body if isinstance(statement, ast.FunctionDef | ast.ClassDef)
        ]
        return frozenset(read(inside).mutated)

    @cached_property
    def functions(self) -> dict[str, list[tuple[int, int, ast.FunctionDef | ast.AsyncFunctionDef]]]:
        """Every function of the file, wherever it stands: its first line, decorators included, the statement of the
        top level that holds it, and itself."""
        found: dict[str, list[tuple[int, int, ast.FunctionDef | ast.AsyncFunctionDef]]] = {}
        for position, statement in enumerate(self.body):
            for node in _statements_in(statement):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                    found.setdefault(node.name, []).append((first, position, node))
        return found

    def defines(self, name: str) -> bool:
        return name in self.bound or name in self.imports

    def loaded(self) -> ModuleType | None:
        """The module itself, where this process has imported it from this file."""
        module = sys.modules.get(self.name)
        file = getattr(module, "__file__", None)
        return module if file and Path(file).resolve() == self.path else None

    def absolute(self, target: Target) -> str:
        """The dotted name of the module that an import in this file means."""
        if not target.level:
            return target.module
        parts = self.package.split(".")
        base = parts[: len(parts) - target.level + 1]
        return ".".join([*base, *filter(None, [target.module])])


def _statements_in(statement: ast.stmt) -> Iterator[ast.stmt]:
    """A statement and those inside it, however deep; expressions, which hold none, are not walked through."""
    waiting: list[Any] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.stmt):
            yield node
        for name in BLOCKS:
            waiting += getattr(node, name, ())


class Modules:
    """The files under a root that a program can import; anything else belongs to the environment."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.read: dict[str, Digest] = {}
        """Every file that was looked into, by its place: the digest of its bytes then."""
        self._by_name: dict[str, Module | None] = {}
        self._by_path: dict[Path, Module | None] = {}
        self._paths: dict[str, Path] = {}

    def find(self, dotted: str) -> Module | None:
        """The project's module of this name; None when it is the environment's or a folder without `__init__`."""
        if dotted not in self._by_name:
            path = self._locate(dotted)
            self._by_name[dotted] = self._parse(dotted, path) if path else None
        return self._by_name[dotted]

    def at(self, file: str, name: str) -> Module | None:
        """The module in a file; None for a file outside the project."""
        path = self._paths.get(file) or self._paths.setdefault(file, Path(file).resolve())
        if path not in self._by_path:
            self._by_path[path] = self._parse(name, path) if self._own(path) and path.is_file() else None
        return self._by_path[path]

    def is_folder(self, dotted: str) -> bool:
        """Whether this is a package of the project without a file of its own."""
        parts = dotted.split(".")
        return any(base.joinpath(*parts).is_dir() for base in self._bases())

    def binary(self, dotted: str) -> Digest | None:
        """The digest of a compiled module of the project."""
        *folders, last = dotted.split(".")
        for base in self._bases():
            for path in sorted(base.joinpath(*folders).glob(f"{last}.*.so")):
                place = path.relative_to(self.root).as_posix()
                return self.read.get(place) or digest_bytes(self._bytes(path))
        return None

    def all(self) -> Iterator[Module]:
        """Every file of the project."""
        for path in sorted(self.root.rglob("*.py")):
            if self._own(path):
                name = ".".join(path.relative_to(self.root).with_suffix("").parts).removesuffix(".__init__")
                if module := self.at(str(path), name):
                    yield module

    def _locate(self, dotted: str) -> Path | None:
        parts = dotted.split(".")
        if not all(part.isidentifier() for part in parts):
            return None
        for base in self._bases():
            stem = base.joinpath(*parts)
            for path in (stem / "__init__.py", stem.with_suffix(".py")):
                if path.is_file():
                    return path
        file = getattr(
            sys.modules.get(dotted), "__file__", None
        )  # installed from the project, in editable mode
        installed = Path(file).resolve() if file else None
        return installed if installed and installed.suffix == ".py" and self._own(installed) else None

    def _bases(self) -> tuple[Path, ...]:
        return (self.root, self.root / "src")

    def _own(self, path: Path) -> bool:
        return is_own(path, self.root)

    def _bytes(self, path: Path) -> bytes:
        """A file's content, which is noted."""
        content = path.read_bytes()
        self.read[path.relative_to(self.root).as_posix()] = digest_bytes(content)
        return content

    def _parse(self, name: str, path: Path) -> Module | None:
        path = path.resolve()
        known = self._by_path.get(path)
        if known is not None:
            return known
        try:
            body = ast.parse(self._bytes(path)).body
        except (SyntaxError, ValueError):  # a template, or not Python: nothing can import it either
            return None
        place = path.relative_to(self.root).as_posix()
        module = Module(name=name, place=place, path=path, body=body)
        _index(module)
        self._by_path[path] = module
        return module


def _index(module: Module) -> None:
    for position, statement in enumerate(module.body):
        if _is_guard(statement):
            continue
        names = stored(statement) | touched(statement)
        for name, target in imported(statement):
            if name == "*":
                module.stars.append(target)
                continue
            module.imports.setdefault(name, []).append(target)
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                names.add(name)  # an import on condition: the condition is part of what the name means
        for name in names:
            module.bound.setdefault(name, []).append(position)


def _is_guard(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, which nobody reaches by an import."""
    test = statement.test if isinstance(statement, ast.If) else None
    return isinstance(test, ast.Compare) and isinstance(test.left, ast.Name) and test.left.id == "__name__"


@cache
def unpinned(package: str) -> bool:
    """Whether a top-level module comes from a folder that no record pins: beside the project, or an editable install.

    The environment's digest tells installed distributions and the standard library; Noria's own version is among them.
    """
    file = getattr(sys.modules.get(package), "__file__", None)
    if file is None or package == "noria":
        return False
    standard = (sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib"))
    installed = not FOREIGN.isdisjoint(Path(file).parts)
    return not installed and not any(Path(file).is_relative_to(folder) for folder in standard)
