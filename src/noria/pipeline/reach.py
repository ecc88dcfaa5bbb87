"""What a function of a project reaches: itself, and every definition that it may come to use, file by file."""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Iterable
from types import FunctionType
from typing import Any

from noria.pipeline.constants import plain
from noria.pipeline.modules import Module, Modules, unpinned
from noria.pipeline.outline import Decorators, Made
from noria.pipeline.syntax import Reading, Target

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


class Reached:
    """What one function reaches."""

    def __init__(self, modules: Modules, declared: dict[tuple[str, str, tuple[str, ...]], bool]) -> None:
        self.items: set[str] = set()
        self.notes: set[str] = set()
        self.strangers: set[str] = set()
        """Packages that come from a folder which no record pins."""
        self.definitions: list[tuple[Module, Made | int]] = []
        """Functions, and statements by their position, in the order in which they were reached."""
        self._modules = modules
        self._declared = declared
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
        made = _definition(module, function.__name__, code.co_firstlineno)
        if made is None:
            self._whole(module, f"{function.__qualname__} was not found in {module.place}")
            return
        self._made(module, made, as_step=as_step)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=False):
            self._closed_over(module, f"{function.__qualname__}.{name}", cell)

    def _made(self, module: Module, made: Made, *, as_step: bool) -> None:
        kept = self._kept(module, made.decorators)
        piece = module.alone(made, kept, as_step=as_step)
        self.items.add(f"{module.place} step {piece.text}")
        self.definitions.append((module, made))
        if made.outermost:
            self._waiting.append((module, piece.reading))
        else:
            self._statement(module, made.position)  # made inside another function: all of that counts

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
        if name in module.outline.bound or name in module.outline.imports:
            for position in module.outline.bound.get(name, ()):
                self._statement(module, position)
                self._value(module, name, position)
            for target in module.outline.imports.get(name, ()):
                self._import(module, target, path)
            if name in module.mutated and name in module.outline.bound:
                self._everything(module, f"{name} in {module.place} is changed by functions")
        elif name in OWN_NAMES:
            self._whole(module, f"{module.place} calls {name}()")
        elif name in ANYTHING:
            self._project(f"{module.place} calls {name}()")
        elif name not in BUILTINS and needed:
            self._from_star(module, name, path)

    def _from_star(self, module: Module, name: str, path: tuple[str, ...]) -> None:
        own = [found for star in module.outline.stars if (found := self._modules.find(module.absolute(star)))]
        for other in own:
            if other.defines(name) or other.outline.stars:
                self._name(other, name, path)
                return
        if len(own) == len(module.outline.stars):  # else it may come from an `import *` of the environment
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
            self.strangers.add(package)
            self.notes.add(
                f"{package} is neither of the project nor installed in its environment: its changes go unseen"
            )
        if name in ANYTHING:
            self._project(f"{name} is used")

    def _statement(self, module: Module, position: int) -> None:
        if (module.place, position) in self._done:
            return
        self._done.add((module.place, position))
        piece = module.piece(position, self._kept(module, module.outline.decorated.get(position, ())))
        self.definitions.append((module, position))
        self.items.add(f"{module.place} {piece.text}")
        self._waiting.append((module, piece.reading))

    def _value(self, module: Module, name: str, position: int) -> None:
        """A constant that is read from outside while importing counts by its value, where that is plain."""
        constant = module.outline.constants.get(position)
        if constant is None or not constant.outside:
            return
        loaded = module.loaded()
        text = plain(vars(loaded).get(name), self._modules.root) if loaded else None
        if text is not None:
            self.items.add(f"{module.place} {name} is {text}")
        elif constant.reader:
            where = f"{module.place}:{constant.line}"
            self.notes.add(
                f"{name} ({where}) comes from {constant.reader} while importing: Noria does not see it change"
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
        for position in range(module.outline.size):
            self._statement(module, position)

    def _imported_by(self, module: Module) -> Iterable[Module]:
        targets = [target for targets in module.outline.imports.values() for target in targets]
        for target in (*targets, *module.outline.stars):
            dotted = module.absolute(target)
            for name in (dotted, f"{dotted}.{target.name}"):
                if found := self._modules.find(name):
                    yield found

    def _kept(self, module: Module, decorators: Decorators) -> list[bool]:
        """Which decorators count: those of pipelines leave the function as it is."""
        return [
            one is None or not one[1] or not self._declares_once(module, one[0], one[1][:-1])
            for one in decorators
        ]

    def _declares_once(self, module: Module, name: str, path: tuple[str, ...]) -> bool:
        key = (module.place, name, path)
        if key not in self._declared:
            self._declared[key] = self._declares(module, name, path)
        return self._declared[key]

    def _declares(self, module: Module, name: str, path: tuple[str, ...], depth: int = 5) -> bool:
        """Whether a name means a pipeline or a part; `depth` imports are followed."""
        outline = module.outline
        for position in outline.bound.get(name, ()):
            constant = outline.constants.get(position)
            if not path and constant and constant.called and _is_noria(module, *constant.called):
                return True
        for target in outline.imports.get(name, ()):
            whole = (*([target.name] if target.name else []), *path)
            found = self._modules.find(module.absolute(target))
            if found and whole and depth and self._declares(found, whole[0], whole[1:], depth - 1):
                return True
        return False


def _is_noria(module: Module, root: str, path: tuple[str, ...]) -> bool:
    targets = module.outline.imports.get(root, ())
    dotted = [".".join(filter(None, (target.module, target.name, *path))) for target in targets]
    return any(name in DECLARED for name in dotted)


def _definition(module: Module, name: str, line: int) -> Made | None:
    """The function of this name that is nearest to a line."""
    found = module.outline.functions.get(name)
    return min(found, key=lambda one: abs(one.first - line)) if found else None
