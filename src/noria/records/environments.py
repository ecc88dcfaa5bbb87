"""Environments as they are built: what one is made of, and what was there when it was done."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from noria.records.base import Digest, Record, digest_of
from noria.records.sources import Environment


class Difference(Record, kw_only=True):
    """A package that is not what it should be."""

    name: str
    kind: Literal["missing", "version", "unpinned", "files"]
    """`unpinned`: it is installed, and no lock knows it; `files`: they are not what was installed."""
    wanted: str = ""
    found: str = ""
    """Versions; of `files`, the first of the files."""

    def __str__(self) -> str:
        match self.kind:
            case "missing":
                return f"{self.name} {self.wanted} is not installed"
            case "version":
                return f"{self.name} {self.found} instead of {self.wanted}"
            case "unpinned":
                return f"{self.name} {self.found} is in no lock"
        return f"{self.name} {self.wanted}: {self.found} is not what was installed"


class Recipe(Record, kw_only=True):
    """All that decides what is in a built environment; its digest is the environment's address."""

    python: str
    implementation: str
    platform: str
    pins: dict[str, tuple[str, tuple[str, ...]]]
    """Name to version and hashes, sorted: what the lock has for this platform, Python and group."""
    beside: dict[str, str] = {}
    """Name to version of what Noria needs and the lock does not have."""
    noria: str = ""
    """Which Noria is put there, by its files; empty where the lock pins it."""
    form: int = 1
    """How it is built; it grows when that changes what is in it."""

    @property
    def address(self) -> Digest:
        return digest_of(self)


class Installed(Record, kw_only=True):
    """A package as it was installed."""

    name: str
    version: str
    files: Digest
    """Of its list of files with their hashes."""


class Built(Record, kw_only=True):
    """A built environment: written last, so that one which has it is whole."""

    recipe: Recipe
    environment: Environment
    """As a run records it."""
    group: str | None = None
    built: datetime
    seconds: float
    packages: tuple[Installed, ...]


def normal(name: str) -> str:
    """`Foo.Bar_baz` and `foo-bar-baz` are one package (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def agrees(version: str, wanted: str) -> bool:
    """Whether an installed version is the pinned one; a pin without a version says nothing of it."""
    if version == wanted or not wanted:
        return True
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version.replace("_", "-")) == Version(wanted)
    except InvalidVersion:
        return False
