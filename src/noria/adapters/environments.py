"""Built environments in a folder that all runs and all projects of a user share.

    ADDRESS/                 a virtual environment; its `noria-environment.json` is written last
    .building-ADDRESS-.../   one that is being built, or that a killed builder has left
    ADDRESS.lock             held alone by who builds or removes it, together with others by who runs in it

The kernel gives locks back, however their holder ends. One that is built is renamed into its place when it is whole:
a kill leaves nothing that looks complete, and of two builders the second finds what the first has made.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from noria.adapters.packages import NORIA, changed, packages_in, place_noria
from noria.adapters.uv import VARIABLE as UV
from noria.adapters.uv import EnvironmentDiskFull, Uv, find_uv, known_uv
from noria.errors import Bug, ConfigError
from noria.ports.environments import Shelved
from noria.records.base import canonical, parse
from noria.records.environments import Built, Difference, Installed, Recipe, agrees
from noria.records.sources import Environment

RECORD = "noria-environment.json"
WORKER = "noria/app/worker.py"  # what a step's process begins with
ALONE = fcntl.LOCK_EX | fcntl.LOCK_NB
VARIABLE = "NORIA_ENVIRONMENTS"
ADDRESS = (
    32  # hex digits: no two recipes ever share them, and paths stay short enough for a script's first line
)


@dataclass(eq=False)
class OtherNoria(ConfigError):
    code: ClassVar[str] = "LOCK-OTHER-NORIA"
    what: ClassVar[str] = (
        "the noria {version} that {lock} pins has no worker: it is too old, or another project"
    )
    next: ClassVar[str] = (
        "pin a Noria that has one, or leave it out of the dependencies: the one that runs is put beside"
    )
    version: str
    lock: str


@dataclass(eq=False)
class BuiltOtherwise(Bug):
    code: ClassVar[str] = "ENVIRONMENT-UNFAITHFUL"
    what: ClassVar[str] = "uv installed something else than {lock} was read to say: {differences}"
    next: ClassVar[str] = 'report it with the lock file; until then: [environment] build = "current"'
    lock: str
    differences: list[str]


class FolderShelf:
    """A `ports.environments.Shelf`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, recipe: Recipe) -> Shelved | None:
        return self._read(self.folder / _name(recipe))

    def all(self) -> list[Shelved]:
        folders = self.folder.glob("[!.]*/") if self.folder.is_dir() else []
        found = [one for one in map(self._read, folders) if one is not None]
        return sorted(found, key=lambda one: one.used, reverse=True)

    def build(self, recipe: Recipe, place: Environment, project: Path, group: str | None) -> Shelved:
        """Raises what `Uv` raises, `BuiltOtherwise`, and `EnvironmentDiskFull`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = _name(recipe)
        with self._locked(name, fcntl.LOCK_EX):
            if found := self._read(self.folder / name):
                return found
            for dead in self.folder.glob(f".building-{name}-*"):
                shutil.rmtree(dead)
            home = self.folder / f".building-{name}-{secrets.token_hex(4)}"
            try:
                self._make(home, recipe, place, project, group)
                home.rename(self.folder / name)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise EnvironmentDiskFull(str(self.folder), error.strerror or str(error)) from error
                raise
            finally:
                shutil.rmtree(home, ignore_errors=True)  # gone when it was renamed
        return self._there(name)

    def here(self) -> Built | None:
        found = self._read(Path(sys.prefix))
        return found.built if found else None

    def inspected(self, shelved: Shelved | None) -> tuple[int, list[Difference]]:
        if shelved is not None:
            return len(shelved.built.packages), _changed_since(shelved)
        sites = [Path(one) for one in sys.path if Path(one).name in ("site-packages", "dist-packages")]
        count = sum(1 for site in sites for _ in packages_in(site))
        return count, [one for site in sites for one in changed(site)]

    def size(self, shelved: Shelved) -> int:
        files = (one for one in shelved.folder.rglob("*") if not one.is_symlink() and one.is_file())
        return sum(one.stat().st_size for one in files)

    def handed_on(self) -> dict[str, str]:
        uv = known_uv()
        return {UV: str(uv)} if uv else {}

    def use(self, shelved: Shelved) -> int:
        descriptor = os.open(self._lock(shelved.folder.name), os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.set_inheritable(descriptor, True)
        os.utime(descriptor)
        return descriptor

    @contextmanager
    def using(self, shelved: Shelved) -> Iterator[None]:
        descriptor = self.use(shelved)
        try:
            yield
        finally:
            os.close(descriptor)

    def remove(self, shelved: Shelved) -> bool:
        try:
            with self._locked(shelved.folder.name, ALONE):
                gone = self.folder / f".building-{shelved.folder.name}-{secrets.token_hex(4)}"
                shelved.folder.rename(gone)
                shutil.rmtree(gone)
        except BlockingIOError:
            return False
        return True

    def sweep(self) -> None:
        for folder in self.folder.glob(".building-*"):
            with contextlib.suppress(BlockingIOError), self._locked(folder.name.split("-")[1], ALONE):
                shutil.rmtree(folder)

    def _make(self, home: Path, recipe: Recipe, place: Environment, project: Path, group: str | None) -> None:
        started, uv = time.perf_counter(), Uv(find_uv(), home, place.lock or "the lock")
        uv.venv(_base(recipe.python))
        uv.sync(project, group)
        site = site_of(home, recipe.python)
        if NORIA in recipe.pins and not (site / WORKER).is_file():
            raise OtherNoria(recipe.pins[NORIA][0], place.lock or "the lock")
        beside = dict(recipe.beside)
        if recipe.noria and not recipe.noria.startswith("release "):
            del beside[NORIA]
            place_noria(site)
        if beside:
            uv.add(beside)
        packages = _as_wanted(recipe, site, place.lock or "the lock")
        made = Built(
            recipe=recipe,
            environment=place,
            group=group,
            built=datetime.now(UTC),
            seconds=time.perf_counter() - started,
            packages=packages,
        )
        (home / RECORD).write_bytes(canonical(made))

    def _there(self, name: str) -> Shelved:
        found = self._read(self.folder / name)
        if found is None:
            raise RuntimeError(f"{name} was built and is not there")
        return found

    def _read(self, folder: Path) -> Shelved | None:
        try:
            built = parse((folder / RECORD).read_bytes(), Built)
        except FileNotFoundError:
            return None
        lock = self._lock(folder.name)
        used = datetime.fromtimestamp(lock.stat().st_mtime, UTC) if lock.exists() else built.built
        return Shelved(folder, folder / "bin" / "python", built, used)

    def _lock(self, name: str) -> Path:
        return self.folder / f"{name}.lock"

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        descriptor = os.open(self._lock(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def usual_folder() -> Path:
    """`NORIA_ENVIRONMENTS`, else a folder of the user's cache."""
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "noria" / "environments"


def site_of(home: Path, python: str) -> Path:
    return home / "lib" / f"python{'.'.join(python.split('.')[:2])}" / "site-packages"


def _name(recipe: Recipe) -> str:
    return recipe.address.removeprefix("blake3:")[:ADDRESS]


def _base(python: str) -> str:
    """The interpreter that ours is made of, where it is of the wanted release; else the release, for uv to find."""
    return (
        str(getattr(sys, "_base_executable", sys.executable))
        if python == platform.python_version()
        else python
    )


def _as_wanted(recipe: Recipe, site: Path, lock: str) -> tuple[Installed, ...]:
    found = {one.name: one for one in packages_in(site)}
    wanted = {name: version for name, (version, _) in recipe.pins.items()} | recipe.beside
    if differences := _beside(wanted, found):
        raise BuiltOtherwise(lock, [str(one) for one in differences])
    return tuple(found[name] for name in sorted(found))


def _changed_since(shelved: Shelved) -> list[Difference]:
    """Packages, their versions, their lists of files, and the files themselves."""
    site = site_of(shelved.folder, shelved.built.recipe.python)
    was, there = (
        {one.name: one for one in shelved.built.packages},
        {one.name: one for one in packages_in(site)},
    )
    found = _beside({name: one.version for name, one in was.items()}, there)
    found += [
        Difference(name=name, kind="files", wanted=one.version, found="the list of its files")
        for name, one in was.items()
        if name in there and there[name].version == one.version and there[name].files != one.files
    ]
    named = {one.name for one in found}
    return [*found, *(one for one in changed(site) if one.name not in named)]


def _beside(wanted: Mapping[str, str], found: Mapping[str, Installed]) -> list[Difference]:
    differs = [
        Difference(name=name, kind="missing", wanted=version)
        if name not in found
        else Difference(name=name, kind="version", wanted=version, found=found[name].version)
        for name, version in wanted.items()
        if name not in found or not agrees(found[name].version, version)
    ]
    extra = sorted(found.keys() - wanted.keys())
    return [*differs, *(Difference(name=name, kind="unpinned", found=found[name].version) for name in extra)]
