"""Names and versions of the packages of an environment, and what two environments have differently."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noria.errors import NotFound
from noria.records.base import Digest, Record, parse
from noria.records.sources import Environment, Tree
from noria.source.locks import LOCKS, Pin

if TYPE_CHECKING:
    from noria.app.wiring import App

Rows = list[tuple[str, str, list[str]]]


class PackageChange(Record, kw_only=True):
    """A package on both sides; None where it is absent. `content`: the version is the same, and its files are not."""

    name: str
    a: str | None = None
    b: str | None = None
    content: bool = False

    def __str__(self) -> str:
        if self.content:
            return f"{self.name} {self.a} from other files"
        if self.a is None:
            return f"{self.name} {self.b} is new"
        return f"{self.name} {self.a} is gone" if self.b is None else f"{self.name} {self.a} -> {self.b}"


Packages = Mapping[str, tuple[str, frozenset[str]]]
"""Name to versions, which on other platforms may be others, and hashes."""


def packages(app: App, place: Environment, tree: Digest | None = None) -> Packages | None:
    """The packages that an environment's digest stands for, and what stands beside them; None when the list is not
    kept: older records have none, and only a lock in the run's tree can tell."""
    try:
        rows = parse(app.store.get(place.packages), Rows)
    except (NotFound, msgspec.DecodeError):
        pins = _locked(app, place.lock, tree) if place.lock and tree else None
        return None if pins is None else _named(pins, place)
    return named(rows, place.beside)


def named(rows: Iterable[tuple[str, str, Iterable[str]]], beside: Mapping[str, str]) -> Packages:
    """By name."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for name, version, hashes in rows:
        versions, known = found.get(name, ("", frozenset()))
        found[name] = (", ".join(filter(None, (versions, version))), known | set(hashes))
    return {**{name: (version, frozenset()) for name, version in beside.items()}, **found}


def changes(a: Packages, b: Packages) -> tuple[PackageChange, ...]:
    """What was added, removed, or is another one; hashes count where both sides have them."""
    found = []
    for name in sorted(a.keys() | b.keys()):
        (left, these), (right, those) = a.get(name, (None, frozenset())), b.get(name, (None, frozenset()))
        content = left == right and bool(these and those) and these != those
        if left != right or content:
            found.append(PackageChange(name=name, a=left, b=right, content=content))
    return tuple(found)


def _named(pins: Iterable[Pin], place: Environment) -> Packages:
    return named(sorted((pin.name, pin.version, sorted(pin.hashes)) for pin in pins), place.beside)


def _locked(app: App, lock: str, tree: Digest) -> frozenset[Pin] | None:
    """The pins of a lock in a source tree."""
    with tempfile.TemporaryDirectory(prefix="noria-") as folder:
        for file in parse(app.store.get(tree), Tree).files:
            if file.path == lock or (file.path.endswith(".txt") and "/" not in file.path):
                (Path(folder) / file.path).write_bytes(app.store.get(file.digest))
        there = (Path(folder) / lock).is_file()
        return LOCKS[lock](Path(folder) / lock) if there else None
