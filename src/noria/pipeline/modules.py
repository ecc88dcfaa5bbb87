"""A project's Python files, each outlined once: which statement makes, imports or changes which name."""

from __future__ import annotations

import ast
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from noria.graph.imported import FOREIGN, is_own
from noria.pipeline.outline import (
    Made,
    Outline,
    Piece,
    function_piece,
    functions_of,
    key_of,
    mutated_in,
    outline,
    piece,
)
from noria.pipeline.outlines import Outlines
from noria.pipeline.syntax import Function, Target
from noria.records.base import Digest, digest_bytes


@dataclass(eq=False)
class Module:
    """One file of the project. `place` is its path from the project's root: the same in every checkout."""

    name: str
    place: str
    path: Path
    content: bytes
    outline: Outline
    fresh: bool
    """Whether the outline holds what no earlier process has read."""

    @property
    def package(self) -> str:
        """What a relative import starts from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @cached_property
    def body(self) -> list[ast.stmt]:
        return ast.parse(self.content).body

    @cached_property
    def functions(self) -> list[Function]:
        """By their numbers."""
        return [function for _, function in functions_of(self.body)]

    @property
    def mutated(self) -> frozenset[str]:
        """Names that some function of this file rebinds or changes in place, whenever that may be."""
        if self.outline.mutated is None:
            self.outline.mutated, self.fresh = mutated_in(self.body), True
        return self.outline.mutated

    def node(self, which: Made | int) -> ast.AST:
        """A function, or a statement by its position."""
        return self.functions[which.number] if isinstance(which, Made) else self.body[which]

    def piece(self, position: int, kept: Sequence[bool]) -> Piece:
        """A statement, with those of its decorators that are kept."""
        key = key_of(position, kept)
        found = self.outline.pieces.get(key)
        if found is None:
            found = piece(self.body[position], kept)
            self.outline.pieces[key], self.fresh = found, True
        return found

    def alone(self, made: Made, kept: Sequence[bool], *, as_step: bool) -> Piece:
        """A function by itself."""
        key = key_of(made.number, kept, as_step=as_step)
        found = self.outline.alone.get(key)
        if found is None:
            node = self.functions[made.number]
            found = function_piece(node, kept, outermost=made.outermost, as_step=as_step)
            self.outline.alone[key], self.fresh = found, True
        return found

    def defines(self, name: str) -> bool:
        return name in self.outline.bound or name in self.outline.imports

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


class Modules:
    """The files under a root that a program can import; anything else belongs to the environment."""

    def __init__(self, root: Path, outlines: Outlines | None = None) -> None:
        self.root = root.resolve()
        self._outlines = outlines
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

    def keep(self) -> None:
        """Keep the outlines of what was read anew, where there is a place for them."""
        fresh = [module for module in self._by_path.values() if module and module.fresh]
        if self._outlines is not None and fresh:
            self._outlines.put({self.read[module.place]: module.outline for module in fresh})
        for module in fresh:
            module.fresh = False

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
        content = self._bytes(path)
        place = path.relative_to(self.root).as_posix()
        known_outline = self._outlines.get(self.read[place]) if self._outlines else None
        module = (
            Module(name, place, path, content, known_outline, fresh=False)
            if known_outline
            else _outlined(name, place, path, content)
        )
        if module is not None:
            self._by_path[path] = module
        return module


def _outlined(name: str, place: str, path: Path, content: bytes) -> Module | None:
    """A file whose outline is not known yet; None for a template, or what is not Python: nothing can import it either."""
    try:
        body = ast.parse(content).body
    except (SyntaxError, ValueError):
        return None
    module = Module(name, place, path, content, outline(body), fresh=True)
    module.body = body
    return module


def file_of(package: str) -> str | None:
    """Where a top-level module comes from, or would come from: it may be imported while a step runs. None without a file."""
    if package in sys.modules:
        return getattr(sys.modules[package], "__file__", None)
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return None
    return spec.origin if spec and spec.has_location else None


@cache
def unpinned(package: str) -> bool:
    """Whether a top-level module comes from a folder that no record pins: beside the project, or an editable install.

    The environment's digest tells installed distributions and the standard library; Noria's own version is among them.
    """
    file = file_of(package)
    if file is None or package == "noria":
        return False
    standard = (sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib"))
    installed = not FOREIGN.isdisjoint(Path(file).parts)
    return not installed and not any(Path(file).is_relative_to(folder) for folder in standard)
