"""Noria in a user's environment: itself and what it needs, as far as the user's lock does not pin them.

A worker is `python -m noria.app.worker` in the environment of its step, so Noria has to be importable there. What the
lock pins is taken as pinned; the rest is taken in the versions that stand beside the Noria that runs now.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from noria.errors import ConfigError
from noria.records.base import digest_bytes, short
from noria.records.environments import normal
from noria.source.locks import Pin

if TYPE_CHECKING:
    from packaging.requirements import Requirement

NORIA = "noria"
COMPUTES: Mapping[str, str] = {"scikit-learn": "sklearn"}
"""Packages of a user whose objects Noria stores with what an extra brings."""
DRIVES = ("postgres", "ray", "s3", "tune")
"""Extras by which a driver reaches its back ends: no step's result depends on them, and no record names them."""


@dataclass(eq=False)
class LockRefusesNoria(ConfigError):
    code: ClassVar[str] = "LOCK-REFUSES-NORIA"
    what: ClassVar[str] = "{lock} pins what Noria cannot run with: {conflicts}"
    next: ClassVar[str] = "let the lock say what fits both: uv add noria"
    lock: str
    conflicts: Sequence[str]


@dataclass
class Layer:
    """Names and versions, and who asks for what."""

    versions: dict[str, str] = field(default_factory=dict)
    asks: list[tuple[str, Requirement]] = field(default_factory=list)


def layer(pins: Collection[str], drives: Iterable[str] = ()) -> Layer:
    """Noria with its extras that these pins call for, and those named in `drives`, as they are installed here. What
    is not installed here is left out: this Noria does without it, too."""
    made = Layer({NORIA: installed_version()})
    extras = ["", *(extra for name, extra in COMPUTES.items() if name in pins), *drives]
    _reach(made, NORIA, extras)
    return made


def beside(pins: Collection[str], drives: Iterable[str] = ()) -> dict[str, str]:
    """What of the layer these pins do not have, sorted by name."""
    found = layer(pins, drives).versions
    return {name: found[name] for name in sorted(found) if name not in pins}


def check(lock: str, pins: Mapping[str, Pin], made: Layer) -> None:
    """Raises `LockRefusesNoria` where a pinned version is not one that the layer can run with."""
    conflicts = [
        f"{who} needs {ask.name}{ask.specifier}, the lock has {pins[name].version}"
        for who, ask in made.asks
        if who not in pins
        and (name := normal(ask.name)) in pins
        and pins[name].version
        and not ask.specifier.contains(pins[name].version, prereleases=True)
    ]
    if conflicts:
        raise LockRefusesNoria(lock=lock, conflicts=list(dict.fromkeys(conflicts)))


def identity() -> str:
    """Which Noria runs here: of an editable installation the folder, else the digest of its files and their hashes,
    which is the same for a copy of it."""
    if folder := editable():
        return f"editable {folder}"
    listed = (metadata.distribution(NORIA).read_text("RECORD") or "").splitlines()
    own = sorted(line for line in listed if line.startswith(f"{NORIA}/") and ".pyc" not in line)
    return short(digest_bytes("\n".join(own).encode()))


def installed_version() -> str:
    """Of the Noria that runs here."""
    return metadata.version(NORIA)


def editable() -> Path | None:
    """The folder of the code of a Noria that is being worked on."""
    said = json.loads(metadata.distribution(NORIA).read_text("direct_url.json") or "{}")
    if not said.get("dir_info", {}).get("editable"):
        return None
    return Path(__file__).resolve().parents[2]


def _reach(made: Layer, name: str, extras: Sequence[str]) -> None:
    from packaging.requirements import Requirement

    for line in metadata.requires(name) or []:
        if "extra ==" in line and not any(_quoted(extra, line) for extra in extras):
            continue  # most of Noria's lines: a marker costs a tenth of a millisecond to parse
        ask = Requirement(line)
        if ask.marker is not None and not any(ask.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        made.asks.append((name, ask))
        need = normal(ask.name)
        version = _version(need)
        if need not in made.versions and version is not None:
            made.versions[need] = version
            _reach(made, need, ["", *ask.extras])


def _quoted(extra: str, line: str) -> bool:
    return bool(extra) and re.search(rf"""['"]{re.escape(extra)}['"]""", line) is not None


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
