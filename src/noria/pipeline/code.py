"""The digest of what a step's function does: itself, and every definition of the project that it reaches.

A definition counts by its syntax tree: comments, docstrings, line numbers, the file's folder and everything that is
not reached are left out. Names are followed through the project's own files only; what lies outside is the
environment's digest to tell. Where the tree cannot say what a name will mean (`globals()`, `eval`, a module used as
a value, a registry that is filled by decorators), everything that may be meant counts, and a note says so. Not seen:
a module that is changed from outside, and files that are read while a step runs.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

from noria.declare import Resolved, Step
from noria.pipeline.constants import looks_out, plain, reader_in
from noria.pipeline.modules import Module, Modules, unpinned
from noria.pipeline.syntax import Reading, Target, normal_form, read, unrolled
from noria.records.base import Digest, digest_bytes, digest_of

BUILTINS = frozenset(dir(builtins)) | {
    "__file__",
    "__name__",
    "__doc__",
    "__package__",
    "__spec__",
    "__path__",
}
OWN_NAMES = frozenset({"globals"})  # what it gives is this module's names
ANYTHING = frozenset(
    {"eval", "exec", "__import__", "importlib.import_module", "importlib.reload", "sys.modules"}
)
DECLARED = ("noria.Pipeline", "noria.Part", "noria.declare.Pipeline", "noria.declare.Part")


@dataclass(frozen=True)
class Coded:
    """A step's code: its digest, and what could not be followed."""

    digest: Digest
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Unit:
    """One statement of a module's top level."""

    text: str
    reading: Reading


@dataclass(frozen=True)
class _Text:
    """What a function reaches, in order, and what could not be followed."""

    items: list[str]
    notes: tuple[str, ...]


class Code:
    """The code of a project as it lies on the disk now; each file is read and parsed once."""

    def __init__(self, root: Path) -> None:
        self._modules = Modules(root)
        self._units: dict[tuple[str, int], _Unit] = {}
        self._texts: dict[Callable[..., Any], _Text] = {}

    @property
    def files(self) -> Mapping[str, Digest]:
        """The project's files that were read so far, by their place from its root: the digest of what was read."""
        return self._modules.read

    def of(self, step: Step, about: object = None) -> Coded:
        """A step's code. `about`: what else decides how Noria calls it, as plain values."""
        text = self._text(step)
        declared = {
            "role": step.role,
            "inputs": step.inputs,
            "outputs": step.outputs,
            "spec": asdict(step.spec),
        }
        return Coded(digest=digest_of([declared, about, text.items]), notes=text.notes)

    def reached(self, step: Step) -> list[tuple[Module, ast.AST]]:
        """Every definition of the project that a step's function reaches, itself first, each in its file."""
        return self._follow(step).nodes

    def read(self, resolved: Resolved) -> None:
        """Read all that a pipeline reaches, now: what is asked of it later is as it is at this moment."""
        for step in _all(resolved):
            self._text(step)

    def of_all(self, resolved: Resolved) -> Digest:
        """The code of a whole pipeline: every step's, predict's and the loss's, and that of functions for single rows."""
        return digest_of([self.of(step).digest for step in _all(resolved)])

    def _text(self, step: Step) -> _Text:
        if step.function not in self._texts:
            reached = self._follow(step)
            self._texts[step.function] = _Text(sorted(reached.items), tuple(sorted(reached.notes)))
        return self._texts[step.function]

    def _follow(self, step: Step) -> _Reached:
        found = _Reached(self._modules, self._unit)
        found.function(step.function, as_step=True)
        found.follow()
        return found

    def _unit(self, module: Module, position: int, keep: Callable[[ast.expr], bool]) -> _Unit:
        key = (module.place, position)
        if key not in self._units:
            statement = module.body[position]
            text = digest_bytes(normal_form(statement, keep).encode())
            self._units[key] = _Unit(text=text, reading=_read_without(statement, keep))
        return self._units[key]


def _all(resolved: Resolved) -> tuple[Step, ...]:
    return (
        *resolved.order,
        *(step for step in (resolved.predict, resolved.loss) if step),
        *(resolved.row_functions[name] for name in sorted(resolved.row_functions)),
    )


class _Reached:
    """What one function reaches."""

    def __init__(
        self, modules: Modules, unit: Callable[[Module, int, Callable[[ast.expr], bool]], _Unit]
    ) -> None:
        self.items: set[str] = set()
        self.notes: set[str] = set()
        self.nodes: list[tuple[Module, ast.AST]] = []
        self._modules = modules
        self._unit = unit
        self._done: set[tuple[str, int]] = set()
        self._waiting: list[tuple[Module, Reading]] = []
        self._functions: set[int] = set()
        self._home: Module | None = None

    def function(self, function: Any, *, as_step: bool = False) -> None:
        """A function object, by the file and line that it was compiled from, and what it closes over."""
        function = inspect.unwrap(function)
        if id(function) in self._functions:
            return
        self._functions.add(id(function))
        code = getattr(function, "__code__", None)
        module = self._modules.at(code.co_filename, function.__module__) if code else None
        if module is None or code is None:
            named = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', repr(type(function)))}"
            self.items.add(f"outside {named}")
            return
        self._home = self._home or module
        found = _definition(module, function.__name__, code.co_firstlineno)
        if found is None:
            self._whole(module, f"{function.__qualname__} was not found in {module.place}")
            return
        position, node = found
        keep = self._keep(module)
        self.items.add(
            f"{module.place} step {digest_bytes(normal_form(node, keep, as_step=as_step).encode())}"
        )
        self.nodes.append((module, node))
        if module.body[position] is node:
            self._waiting.append((module, _read_without(node, keep)))
        else:
            self._statement(module, position)  # made inside another function: all of that counts
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            self._closed_over(module, f"{function.__qualname__}.{name}", cell)

    def _closed_over(self, module: Module, name: str, cell: Any) -> None:
        try:
            value = cell.cell_contents
        except ValueError:  # not bound yet: the function refers to itself
            return
        if isinstance(value, FunctionType):
            self.function(value)
        elif isinstance(value, type):
            self._resolve_in(value.__module__, (value.__qualname__.partition(".")[0],))
        elif (text := plain(value, self._modules.root)) is not None:
            self.items.add(f"{module.place} {name} {text}")
        else:
            self._whole(module, f"{name} is a {type(value).__name__} that is made while importing")

    def follow(self) -> None:
        """Go on until nothing new is reached; a long chain of helpers is no deep recursion."""
        while self._waiting:
            module, reading = self._waiting.pop()
            for (name, path), needed in reading.names.items():
                self._name(module, name, path, needed)
            for target, path in reading.imports:
                self._import(module, target, path)

    def _name(self, module: Module, name: str, path: tuple[str, ...], needed: bool = True) -> None:
        """A global name of a module, and the attributes that are read off it."""
        if name in module.bound or name in module.imports:
            for position in module.bound.get(name, ()):
                self._statement(module, position)
                self._value(module, name, position)
            for target in module.imports.get(name, ()):
                self._import(module, target, path)
            if name in module.mutated and name in module.bound:
                self._everything(module, f"{name} in {module.place} is changed by functions")
        elif name in OWN_NAMES:
            self._whole(module, f"{module.place} calls {name}()")
        elif name in ANYTHING:
            self._project(f"{module.place} calls {name}()")
        elif name not in BUILTINS and needed:
            self._from_star(module, name, path)

    def _from_star(self, module: Module, name: str, path: tuple[str, ...]) -> None:
        own = [found for star in module.stars if (found := self._modules.find(module.absolute(star)))]
        for other in own:
            if other.defines(name) or other.stars:
                self._name(other, name, path)
                return
        if len(own) == len(module.stars):  # else it may come from an `import *` of the environment
            self._everything(module, f"nothing in {module.place} says where {name} comes from")

    def _import(self, module: Module, target: Target, path: tuple[str, ...]) -> None:
        dotted = module.absolute(target)
        self._resolve_in(dotted, (target.name, *path) if target.name else path)

    def _resolve_in(self, dotted: str, path: tuple[str, ...]) -> None:
        """Attributes read off a module, by its dotted name."""
        if found := self._modules.find(dotted):
            self._attribute(found, path)
        elif path and self._modules.is_folder(dotted):
            self._resolve_in(f"{dotted}.{path[0]}", path[1:])
        elif binary := self._modules.binary(dotted):
            self.items.add(f"binary {dotted} {binary}")
        else:
            self._outside(dotted, path)

    def _attribute(self, module: Module, path: tuple[str, ...]) -> None:
        if not path:
            self._everything(module, f"{module.place} is used as a value")
        elif module.defines(path[0]):
            self._name(module, path[0], path[1:])
        elif self._modules.find(f"{module.name}.{path[0]}") or self._modules.is_folder(
            f"{module.name}.{path[0]}"
        ):
            self._resolve_in(f"{module.name}.{path[0]}", path[1:])
        elif path[0] not in BUILTINS:
            self._from_star(module, path[0], path[1:])

    def _outside(self, dotted: str, path: tuple[str, ...]) -> None:
        name = ".".join((dotted, *path[:1]))
        self.items.add(f"outside {name}")
        package = dotted.partition(".")[0]
        if unpinned(package):
            self.notes.add(
                f"{package} is neither of the project nor installed in its environment: its changes go unseen"
            )
        if name in ANYTHING:
            self._project(f"{name} is used")

    def _statement(self, module: Module, position: int) -> None:
        if (module.place, position) in self._done:
            return
        self._done.add((module.place, position))
        unit = self._unit(module, position, self._keep(module))
        self.nodes.append((module, module.body[position]))
        self.items.add(f"{module.place} {unit.text}")
        self._waiting.append((module, unit.reading))

    def _value(self, module: Module, name: str, position: int) -> None:
        """A constant that is read from outside while importing counts by its value, where that is plain."""
        statement = module.body[position]
        if (
            isinstance(statement, ast.Assign | ast.AnnAssign)
            and statement.value
            and looks_out(module, statement.value)
        ):
            loaded = module.loaded()
            text = plain(vars(loaded).get(name), self._modules.root) if loaded else None
            if text is not None:
                self.items.add(f"{module.place} {name} is {text}")
            elif reader := reader_in(statement.value):
                where = f"{module.place}:{statement.lineno}"
                self.notes.add(
                    f"{name} ({where}) comes from {reader} while importing: Noria does not see it change"
                )

    def _whole(self, module: Module, why: str) -> None:
        """A module with all that its statements reach."""
        self.notes.add(f"{why}: all of {module.place} counts")
        self._statements(module)

    def _everything(self, module: Module, why: str) -> None:
        """A module, the step's own module, and all that these import."""
        self.notes.add(f"{why}: all of {module.place} and of what it is used with counts")
        waiting, seen = [module, *([self._home] if self._home else [])], set()
        while waiting:
            one = waiting.pop()
            if one.place not in seen:
                seen.add(one.place)
                self._statements(one)
                waiting += self._imported_by(one)

    def _project(self, why: str) -> None:
        self.notes.add(f"{why}: every Python file of the project counts")
        for module in self._modules.all():
            self._statements(module)

    def _statements(self, module: Module) -> None:
        for position in range(len(module.body)):
            self._statement(module, position)

    def _imported_by(self, module: Module) -> Iterable[Module]:
        targets = [target for targets in module.imports.values() for target in targets]
        for target in (*targets, *module.stars):
            dotted = module.absolute(target)
            for name in (dotted, f"{dotted}.{target.name}"):
                if found := self._modules.find(name):
                    yield found

    def _keep(self, module: Module) -> Callable[[ast.expr], bool]:
        """Whether a decorator counts: those of pipelines leave the function as it is."""

        def keep(decorator: ast.expr) -> bool:
            call = decorator.func if isinstance(decorator, ast.Call) else decorator
            root, path = unrolled(call)
            return not (isinstance(root, ast.Name) and path and self._declares(module, root.id, path[:-1]))

        return keep

    def _declares(self, module: Module, name: str, path: tuple[str, ...], depth: int = 5) -> bool:
        """Whether a name means a pipeline or a part; `depth` imports are followed."""
        for position in module.bound.get(name, ()):
            statement = module.body[position]
            value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
            if not path and isinstance(value, ast.Call) and self._is_noria(module, value.func):
                return True
        for target in module.imports.get(name, ()):
            whole = (*([target.name] if target.name else []), *path)
            found = self._modules.find(module.absolute(target))
            if found and whole and depth and self._declares(found, whole[0], whole[1:], depth - 1):
                return True
        return False

    def _is_noria(self, module: Module, called: ast.expr) -> bool:
        root, path = unrolled(called)
        if not isinstance(root, ast.Name):
            return False
        targets = module.imports.get(root.id, ())
        dotted = [".".join(filter(None, (target.module, target.name, *path))) for target in targets]
        return any(name in DECLARED for name in dotted)


def _read_without(node: ast.AST, keep: Callable[[ast.expr], bool]) -> Reading:
    """What a definition reads, but for its decorators that don't count."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return read([node])
    fields = dict(ast.iter_fields(node))
    fields["decorator_list"] = [decorator for decorator in node.decorator_list if keep(decorator)]
    return read([type(node)(**fields)])


def _definition(module: Module, name: str, line: int) -> tuple[int, ast.AST] | None:
    """The definition of this name, nearest to a line, and the top-level statement that holds it."""
    found = module.functions.get(name)
    return min(found, key=lambda one: abs(one[0] - line))[1:] if found else None
