"""The environment of a run: Python, platform, and the packages by their lock file or by what is installed."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from noria.records.base import Digest, digest_of
from noria.records.sources import Environment
from noria.source.locks import LOCKS, Pin, normal, pins_of

INSTALLED = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)(-py[\d.]+)?\.(dist|egg)-info")


def environment(project: Path) -> Environment:
    """What a project's code runs in. The first of `uv.lock`, `pylock.toml` and a `requirements.txt` with hashes
    counts, in the project's own folder; without one, the distributions that this Python finds installed.

    The same packages give the same digest wherever they were fetched from and in whatever order they stand.
    Raises `BadLock` for a file that cannot be read.
    """
    lock, pins = _locked(project)
    if lock is None:
        pins = installed(sys.path)
    return Environment(
        python=platform.python_version(),
        implementation=sys.implementation.name,
        platform=f"{sys.platform}-{platform.machine()}",
        lock=lock,
        packages=digest_of_pins(pins),
    )


def digest_of_pins(pins: Iterable[Pin]) -> Digest:
    return digest_of(sorted((pin.name, pin.version, sorted(pin.hashes)) for pin in set(pins)))


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


def _locked(project: Path) -> tuple[str | None, frozenset[Pin]]:
    for name in LOCKS:
        file = project / name
        if file.is_file() and (pins := pins_of(file)) is not None:
            return name, pins
    return None, frozenset()
