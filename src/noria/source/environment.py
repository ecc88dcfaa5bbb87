"""The environment of a run: Python, platform, and the packages by their lock file or by what is installed."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from msgspec.structs import replace

from noria.records.base import Digest, Record, canonical, digest_of
from noria.records.environments import Difference, agrees, normal
from noria.records.sources import Environment
from noria.source.applied import Pins, applied
from noria.source.locks import LOCKS, Pin, is_project, pins_of, read_toml

INSTALLED = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(-py[\d.]+)?\.(dist|egg)-info")
TOOLS = frozenset({"pip", "setuptools", "wheel", "uv"})
"""They install the others; a virtual environment has them, or has them not, as it was made."""


class Seen(Record, kw_only=True):
    """An interpreter held against a project's lock."""

    environment: Environment
    """What it is: the lock's, where it has just what the lock says; else known by what is installed."""
    lock: str | None = None
    differs: tuple[Difference, ...] = ()
    """What keeps it from being what the lock says."""


def environment(project: Path) -> Environment:
    """What a project's code runs in, in this interpreter. Raises `BadLock` for a lock that cannot be read."""
    return look(project).environment


def look(project: Path, *, paths: Iterable[str] | None = None) -> Seen:
    """Hold this interpreter against the project's lock. Just what the lock says: each package that it has for this
    platform, in its version; nothing beside but what another group of the lock has, what Noria needs, and the tools
    that install. `paths`: where this interpreter finds packages, unless it is `sys.path`."""
    lock = lock_of(project)
    here = {pin.name: pin for pin in installed(sys.path if paths is None else paths)}
    if lock is None:
        return Seen(environment=of_pins(here.values()))
    file = project / lock
    differs = tuple(_differences(applied(file), _all(file), here, _own_names(project)))
    if differs:
        return Seen(environment=of_pins(here.values()), lock=lock, differs=differs)
    return Seen(environment=of_lock(project), lock=lock)


def of_lock(project: Path, *, group: str | None = None, python: str | None = None) -> Environment:
    """The environment that the project's lock describes. The same packages give the same digest wherever they were
    fetched from and in whatever order they stand. A group's is known by its own packages, so that the lock may change
    elsewhere."""
    from noria.source.layer import beside

    lock = lock_of(project)
    if lock is None:
        raise ValueError(f"{project} has no lock")
    pins = applied(project / lock, group=group, python=python)
    counted = pins.values() if group else _pinned(project / lock)
    made = of_pins(counted, python=python)
    return replace(made, lock=lock, beside=beside(pins), group=group)


def of_pins(pins: Iterable[Pin], *, python: str | None = None) -> Environment:
    return Environment(
        python=python or platform.python_version(),
        implementation=sys.implementation.name,
        platform=f"{sys.platform}-{platform.machine()}",
        packages=digest_of_pins(pins),
    )


def listing(project: Path, place: Environment) -> bytes:
    """The bytes that an environment's `packages` is the digest of: every name, version and hash."""
    if place.lock is None:
        return _listed(installed(sys.path))
    return _listed(_pinned(project / place.lock))


def group_listing(project: Path, place: Environment, group: str) -> bytes:
    """As `listing`, of a group's environment."""
    return _listed(applied(project / (place.lock or ""), group=group).values())


def digest_of_pins(pins: Iterable[Pin]) -> Digest:
    return digest_of(_rows(pins))


def installed(paths: Iterable[str]) -> frozenset[Pin]:
    """The distributions in some folders, by the names of their metadata folders alone: reading what is inside costs
    fifty times as much."""
    found: dict[str, Pin] = {}
    for folder in map(Path, paths):
        if folder.name not in ("site-packages", "dist-packages") or not folder.is_dir():
            continue
        for entry in folder.iterdir():
            if named := INSTALLED.fullmatch(entry.name):
                name = normal(named["name"])
                found.setdefault(name, Pin(name=name, version=named["version"]))  # the first on the path wins
    return frozenset(found.values())


def lock_of(project: Path) -> str | None:
    """The first of `uv.lock`, `pylock.toml` and a `requirements.txt` with hashes, in the project's own folder."""
    return next((name for name in LOCKS if _pins(project / name) is not None), None)


def _pins(file: Path) -> frozenset[Pin] | None:
    return pins_of(file) if file.is_file() else None


def _pinned(file: Path) -> frozenset[Pin]:
    return _pins(file) or frozenset()


def _all(file: Path) -> dict[str, set[str]]:
    """Every version that a lock has of a name, on any platform, in any group."""
    found: dict[str, set[str]] = {}
    for pin in _pinned(file):
        found.setdefault(pin.name, set()).add(pin.version)
    return found


def _differences(
    wanted: Pins, known: Mapping[str, set[str]], here: Mapping[str, Pin], own: frozenset[str]
) -> Iterator[Difference]:
    for name, pin in sorted(wanted.items()):
        if name not in here:
            yield Difference(name=name, kind="missing", wanted=pin.version)
        elif not agrees(here[name].version, pin.version):
            yield Difference(name=name, kind="version", wanted=pin.version, found=here[name].version)
    others = sorted(here.keys() - wanted.keys() - own - TOOLS)
    unknown = [
        name for name in others if not any(agrees(here[name].version, one) for one in known.get(name, ()))
    ]
    if unknown:
        from noria.source.layer import DRIVES, layer

        norias = layer(wanted, DRIVES).versions
        for name in unknown:
            if name in known or name not in norias:
                kind: Literal["version", "unpinned"] = "version" if name in known else "unpinned"
                told = ", ".join(sorted(known.get(name, ())))
                yield Difference(name=name, kind=kind, wanted=told, found=here[name].version)


def _own_names(project: Path) -> frozenset[str]:
    """What the project itself may be installed as."""
    found = set()
    if (lock := project / "uv.lock").is_file():
        found |= {normal(one["name"]) for one in read_toml(lock).get("package", []) if is_project(one)}
    if (about := project / "pyproject.toml").is_file():
        found |= {normal(name) for name in [read_toml(about).get("project", {}).get("name")] if name}
    return frozenset(found)


def _listed(pins: Iterable[Pin]) -> bytes:
    return canonical(_rows(pins))


def _rows(pins: Iterable[Pin]) -> list[tuple[str, str, list[str]]]:
    return sorted((pin.name, pin.version, sorted(pin.hashes)) for pin in set(pins))
