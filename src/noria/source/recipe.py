"""A project's lock as a recipe: what an environment is built of, and so where it lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from noria.errors import ConfigError
from noria.records.environments import Recipe
from noria.records.sources import Environment
from noria.source.applied import applied, folders
from noria.source.environment import lock_of, of_lock
from noria.source.layer import NORIA, beside, check, identity, installed_version, layer
from noria.source.locks import read_toml


@dataclass(eq=False)
class NoLock(ConfigError):
    code: ClassVar[str] = "LOCK-MISSING"
    what: ClassVar[str] = "{where} has no lock file, so its environment cannot be {wish}"
    next: ClassVar[str] = (
        "uv lock (or `uv pip compile --generate-hashes`), and commit what it writes; until then environments are known "
        "by the names and versions of what is installed"
    )
    where: str
    wish: str = "built"


@dataclass(eq=False)
class FolderPinned(ConfigError):
    code: ClassVar[str] = "LOCK-FOLDER"
    what: ClassVar[str] = "{lock} takes packages from folders, whose content no lock pins: {packages}"
    next: ClassVar[str] = (
        'build wheels of them (uv build) and depend on those; or run in what is installed: [environment] build = "current"'
    )
    lock: str
    packages: Sequence[str]


@dataclass(eq=False)
class PythonUnfit(ConfigError):
    code: ClassVar[str] = "LOCK-PYTHON"
    what: ClassVar[str] = "{lock} is for Python {wanted}, and noria runs in {python}"
    next: ClassVar[str] = "run noria with such a Python (uv tool install --python, or a virtual environment)"
    lock: str
    wanted: str
    python: str


def recipe(
    project: Path,
    *,
    group: str | None = None,
    drives: Iterable[str] = (),
    recorded: Environment | None = None,
) -> tuple[Recipe, Environment]:
    """How the environment of a project, or of one of its groups, is built here, and what a run in it records.

    `recorded`: of a past run, whose Python and whose versions of Noria and its needs are taken. Raises `NoLock`,
    `BadLock`, `NoGroup`, `FolderPinned`, `PythonUnfit` and `LockRefusesNoria`.
    """
    lock = lock_of(project)
    if lock is None:
        raise NoLock(where=str(project))
    file = project / lock
    place = of_lock(project, group=group, python=recorded.python if recorded else None)
    pins = applied(file, group=group, python=place.python)
    _fits_python(file, place.python)
    if named := folders(file):
        raise FolderPinned(lock=lock, packages=named)
    check(lock, pins, layer(pins, drives))
    added = beside(pins, drives) | (recorded.beside if recorded else {})
    made = Recipe(
        python=place.python,
        implementation=place.implementation,
        platform=place.platform,
        pins={name: (pins[name].version, tuple(sorted(pins[name].hashes))) for name in sorted(pins)},
        beside={name: added[name] for name in sorted(added) if name not in pins},
        noria=_which(added[NORIA]) if NORIA not in pins else "",
    )
    return made, place if recorded is None else replace(place, beside=recorded.beside)


def _which(version: str) -> str:
    """The Noria that runs, or the one of a past run, which the index may still have."""
    return identity() if version == installed_version() else f"release {version}"


def _fits_python(lock: Path, python: str) -> None:
    from packaging.specifiers import SpecifierSet

    wanted = str(read_toml(lock).get("requires-python", "")) if lock.suffix in (".lock", ".toml") else ""
    if not SpecifierSet(wanted).contains(python, prereleases=True):
        raise PythonUnfit(lock=lock.name, wanted=wanted, python=python)
