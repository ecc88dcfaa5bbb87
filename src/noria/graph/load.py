"""Importing a user's pipeline from a source tree."""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
import traceback
from pathlib import Path
from types import ModuleType

from noria.declare import Pipeline
from noria.graph.errors import CannotImport
from noria.graph.imported import FOREIGN

DEEP = (
    2,
    1,
)  # folders below a project's in which packages lie that are installed in editable mode: `libs/python`, `python`
GRAIN = 2.0  # s; bytecode knows its source's time by the second, and two clocks may round it otherwise


def load_pipeline(root: Path, entry: str) -> Pipeline:
    """The pipeline that `entry` (`module:name`) means in the tree at `root`, whose folders lead the import path.

    A process imports from one root at a time: `forget(root)` before another. Raises `CannotImport` with the
    user's own frames of the traceback.
    """
    module_name, _, name = entry.partition(":")
    for folder in reversed(import_folders(root)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a user's module may raise anything while it is imported, SystemExit too
        from noria.errors import ConfigError

        if isinstance(error, ConfigError):
            raise
        raise CannotImport(entry=entry, root=str(root), problem=user_traceback(error, root)) from error
    finally:
        _drop_young_bytecode(root)
    return _pipeline_in(module, name or "pipeline", entry, root)


def import_folders(root: Path) -> list[str]:
    """The tree's own folders that lead the import path: its root, its `src`, and each that the environment has of a working
    tree; but none that is itself a package.

    They come before what is installed: of a package that is installed in editable mode, which puts a folder of the working
    tree on the import path, the files of this tree are meant, and not those that the working tree has today.
    """
    folders = [root / "src"]
    for entry in map(Path, sys.path):
        ends = [entry.parts[1:][-count:] for count in DEEP if not _is_installed(entry, root)]
        folders += [own for own in (root.joinpath(*end) for end in ends) if _is_twin(own, entry)]
    bare = [each for each in folders if each.is_dir() and not (each / "__init__.py").is_file()]
    return list(dict.fromkeys(map(str, [root, *bare])))


def _is_twin(own: Path, entry: Path) -> bool:
    """Whether two folders are the same one of two trees: some module lies in both."""
    if not own.is_dir() or not entry.is_dir():
        return False
    there = {child.name for child in entry.iterdir()}
    modules = (child.name for child in own.iterdir() if child.suffix == ".py" or child.is_dir())
    return any(name in there for name in modules if name not in FOREIGN and not name.startswith("."))


def _is_installed(entry: Path, root: Path) -> bool:
    """Whether a folder to import from is none of a working tree's, or is this tree's."""
    apart = not entry.is_absolute() or entry.is_relative_to(root) or entry.is_relative_to(sys.base_prefix)
    return apart or not FOREIGN.isdisjoint(entry.parts)


def forget(root: Path) -> None:
    """Drop the modules that were imported from `root`, so that another tree's modules of the same name can come.
    Functions already imported stay usable; their own later imports would see the other tree."""
    for folder in import_folders(root):
        if folder in sys.path:
            sys.path.remove(folder)
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(root):
            del sys.modules[name]


def _drop_young_bytecode(root: Path) -> None:
    """Python takes bytecode for current when the source's size and the second of its time are the same: of a file that
    was written in this very second, an edit may still follow that bytecode would hide. So none is left of it."""
    for module in list(sys.modules.values()):
        file, cached = getattr(module, "__file__", None), getattr(module, "__cached__", None)
        if file and cached and file.startswith(str(root)):
            with contextlib.suppress(OSError):  # nobody wrote any, or the folder is not ours to write to
                if time.time() - Path(file).stat().st_mtime < GRAIN:
                    Path(cached).unlink(missing_ok=True)


def user_traceback(error: BaseException, root: Path) -> str:
    """The error's last line, and its frames inside `root` alone."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(root))]
    lines = traceback.format_exception_only(error)
    return "".join(lines + traceback.format_list(own)).rstrip()


def _pipeline_in(module: ModuleType, name: str, entry: str, root: Path) -> Pipeline:
    pipeline = getattr(module, name, None)
    if isinstance(pipeline, Pipeline):
        return pipeline
    found = [key for key, value in vars(module).items() if isinstance(value, Pipeline)]
    problem = (
        f"{module.__name__} has no pipeline named {name!r}; it has: {', '.join(found) or 'none'}"
        if pipeline is None
        else f"{name!r} in {module.__name__} is a {type(pipeline).__name__}, not a noria.Pipeline"
    )
    raise CannotImport(entry=entry, root=str(root), problem=problem)
